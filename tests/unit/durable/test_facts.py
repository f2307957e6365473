"""Facts for the story: counted together, told once, and never without bound."""

from __future__ import annotations

from nova_lite.durable import facts
from nova_lite.durable.progress import State, plain_state
from nova_lite.model import wire
from nova_lite.model.ids import HostName

HOST = HostName("h1")


def place(turn=1):
    return {"step": "start_guest", "unwinding": False, "attempt": 1, "turn": turn}


def test_the_same_command_sent_again_is_counted_with_the_first():
    known = facts.with_command((), place(), HOST, "ensure_guest", 10.0)
    known = facts.with_command(known, place(), HOST, "ensure_guest", 40.0)

    (only,) = known
    assert (only["count"], only["at"], only["last"]) == (2, 10.0, 40.0)


def test_the_command_of_another_turn_is_another():
    known = facts.with_command((), place(), HOST, "ensure_guest", 10.0)

    assert len(facts.with_command(known, place(turn=2), HOST, "ensure_guest", 40.0)) == 2


def test_an_owner_that_comes_back_to_what_it_gave_back_is_not_told_again():
    known = facts.with_lease((), {"owner": "a", "number": 1}, 1.0)

    assert facts.with_lease(known, {"owner": "a", "number": 2}, 2.0) == known
    assert len(facts.with_lease(known, {"owner": "b", "number": 2}, 2.0)) == 2
    assert len(facts.with_lease(known, {"owner": "a", "number": 2, "lapsed": "a"}, 2.0)) == 2


def test_the_first_and_the_newest_are_kept_of_very_many():
    known = ()
    for number in range(500):
        known = facts.with_outage(known, "start_guest", "the broker", number, number + 1)

    assert len(known) == facts.KEPT_AT_MOST
    assert (known[0]["at"], known[-1]["at"]) == (0, 499)


def test_a_release_without_facts_reads_the_state_and_this_one_reads_its():
    known = facts.with_command((), place(), HOST, "ensure_guest", 10.0)

    assert wire.from_plain(State, plain_state(State(facts=known))).facts == known
    assert wire.from_plain(State, {"entered": 3, "of a newer release": 1}).facts == ()
