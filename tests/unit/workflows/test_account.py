"""The account of a server's placing, made of what is kept."""

from __future__ import annotations

import pytest

from nova_lite.durable import facts
from nova_lite.durable.progress import State, Tried
from nova_lite.durable.story import Record
from nova_lite.durable.workflow import Failure
from nova_lite.model import wire
from nova_lite.model.flavor import Flavor
from nova_lite.model.ids import FlavorId, HostName, ProjectId, ServerId, UserId
from nova_lite.model.placement import Explanation, Refusal, Verdict
from nova_lite.model.resources import Resources
from nova_lite.model.server import Server, ServerState
from nova_lite.workflows.account import account_of, request_to_repeat, with_now
from nova_lite.workflows.boot import BootParams

ASKED = Resources(vcpus=1, ram_mib=512, disk_gib=1)


def server(**changes):
    fields = {
        "id": ServerId("s"),
        "project_id": ProjectId("p"),
        "user_id": UserId("u"),
        "name": "s",
        "hostname": "s",
        "state": ServerState.ERROR,
        "flavor": Flavor(id=FlavorId("1"), name="f", vcpus=1, ram_mib=512),
    }
    return Server(**{**fields, **changes})


def verdict(host, *reasons):
    refusals = tuple(Refusal(host=HostName(host), reason=reason, plural=reason, filter="f") for reason in reasons)
    return Verdict(host=HostName(host), refusals=refusals)


def explanation(*verdicts, **changes):
    fitting = sum(not one.refusals for one in verdicts)
    fields = {"asked": ASKED, "filters": ("f",), "hosts_seen": len(verdicts), "fitting": fitting, "reasons": ()}
    return Explanation(verdicts=verdicts, **{**fields, **changes})


def record(*, failed_in=None, why=None, outcome="failed", workflow="boot", tried=()):
    known = () if why is None else facts.with_decision((), {"step": "choose_hosts", "turn": 1}, wire.to_plain(why), 10.0)
    failure = Failure(failed_in, "It failed.", 500, None) if failed_in else None
    params = wire.to_plain(BootParams(server_id=ServerId("s"), hostname="s", asked=ASKED))
    row = {"id": "o", "workflow": workflow, "outcome": outcome, "message": "It failed.", "params": params, "project_id": "p"}
    return Record(row=row, state=State(failure=failure, facts=known, tried=tried), events=(), signals=())


def test_a_refusal_is_told_as_it_was_decided():
    why = explanation(verdict("h1", "is disabled"), remedies=("enable h1",))

    account = account_of(server(), [record(failed_in="choose_hosts", why=why)])

    assert (account.cause, account.remedies) == ("It failed.", ("enable h1",))
    assert account.decisions[0].explanation == why


@pytest.mark.parametrize(("step", "word"), [("create_ports", "addresses"), ("start_guest", "mend what the message names")])
def test_what_failed_behind_the_choice_has_a_remedy_of_its_own(step, word):
    why = explanation(verdict("h1"))

    account = account_of(server(), [record(failed_in=step, why=why)])

    assert word in account.remedies[0]


def test_a_request_that_lost_every_race_is_told_how_much_room_helps():
    account = account_of(server(), [record(failed_in="claim_host", why=explanation(verdict("h1")))])

    assert account.remedies == ("make room for 512 MiB and 1 vCPUs more: others were faster, or ask for fewer",)


def test_a_placed_server_has_no_cause_and_keeps_why_its_host_was_the_first():
    why = explanation(verdict("h1"), verdict("h2", "is disabled"))

    account = account_of(server(state=ServerState.ACTIVE, host=HostName("h1")), [record(outcome="done", why=why)])

    assert (account.cause, account.remedies, account.host) == (None, (), "h1")
    assert account.decisions[0].explanation.verdicts[0].host == "h1"


def test_hosts_that_changed_since_are_told_beside_what_was_decided():
    then = explanation(verdict("h1", "is disabled"), verdict("h2", "lacks memory"))
    now = explanation(verdict("h1"), verdict("h2", "lacks memory"), verdict("h3"))

    account = with_now(account_of(server(), [record(failed_in="choose_hosts", why=then)]), now)

    assert account.changes == ("2 hosts then, 3 now", "0 of them fitted then, 2 now", "h1: is disabled then; fitted now")
    assert account.decisions[0].explanation == then


def test_hosts_that_stand_as_they_did_are_no_change():
    why = explanation(verdict("h1", "is disabled"))

    assert with_now(account_of(server(), [record(failed_in="choose_hosts", why=why)]), why).changes == ()


def test_the_choice_for_many_at_once_counts_for_each():
    parent = record(workflow="boot_many", why=explanation(verdict("h1")), outcome="done")

    account = account_of(server(), [parent, record(outcome="done")])

    assert len(account.decisions) == 1


def test_without_anything_kept_there_is_nothing_to_tell_or_repeat():
    assert account_of(server(), []).decisions == ()
    assert request_to_repeat([]) is None
    assert request_to_repeat([record()]).asked == ASKED


def test_the_hosts_that_were_tried_are_named():
    tried = (Tried(host=HostName("h1"), reason="no disk"),)

    assert account_of(server(), [record(failed_in="start_guest", tried=tried)]).tried == ("h1: no disk",)
