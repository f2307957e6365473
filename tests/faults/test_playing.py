"""The suite itself: a promise that does not hold is told, and an interrupted suite goes on where it was."""

from __future__ import annotations

import dataclasses
import json
import random
import time

import pytest
from faults import case as cases
from faults import main as suite
from faults import playing, traffic, verbs
from faults.runs import r1_crashes, r4_duplicates

from nova_lite.model.guest import PowerState


def refuse(_stage) -> None:
    raise AssertionError


def stumble(_stage) -> None:
    raise KeyError("x")


def dawdle(_stage) -> None:
    time.sleep(0.2)


def keep(stage) -> None:
    stage.tally.injected += 2


def make(play, name="one", bound_s=5.0):
    return cases.Case(run="R9", name=name, play=play, spec=None, short=True, bound_s=bound_s)


@pytest.mark.parametrize(
    ("case", "word"), [(make(refuse), "AssertionError"), (make(stumble), "KeyError"), (make(dawdle, bound_s=0.1), "more than")]
)
def test_whatever_a_case_stumbles_over_counts_as_a_promise_that_did_not_hold(tmp_path, case, word):
    with playing.theatre(tmp_path, 1) as theatre:
        played = theatre.play(case)

    assert word in played.violated


def test_a_suite_goes_on_after_an_interruption_and_begins_anew_with_another_seed(tmp_path, monkeypatch, capsys):
    results = tmp_path / "results.json"
    monkeypatch.setattr(cases, "cases", lambda *_, **__: (make(keep, "one"), make(refuse, "two")))
    asked = ["--results", str(results), "--case"]

    assert suite.main([*asked, "one", "--seed", "5"]) == 0
    assert suite.main([*asked, ""]) == 1

    kept = json.loads(results.read_text())
    assert kept["seed"] == 5
    assert set(kept["results"]) == {"R9 one", "R9 two"}
    told = capsys.readouterr().out
    assert told.count("R9 one: held") == 1
    assert "--seed 5 --only R9 --case 'two' --fresh" in told
    assert "| R9 | 2 | 2 | 0 | 0 | 0 | 0 | 0.0 s | 1 of 2 | 0.0 |" in told

    suite.main([*asked, "one", "--seed", "6"])

    assert set(json.loads(results.read_text())["results"]) == {"R9 one"}


def test_the_short_version_has_cases_of_every_run_but_the_clocks():
    """For wrong clocks (R7) all daemons are started anew, which takes too long."""
    assert {one.run for one in cases.cases(short=True)} == {one.run for one in cases.cases()} - {"R7"}


def test_crashes_cover_each_daemon_and_each_seam_and_are_many():
    planned = [place for verb in verbs.VERBS for dealt in r1_crashes.rounds(verb, 7) for place in dealt]

    assert len(planned) >= 120
    assert len(planned) == sum(len(r1_crashes.places(verb)) for verb in verbs.VERBS)
    assert {place.kind for place in planned} == {"api", "conductor", "scheduler", "compute"}


BESIDE = """
import json, sys

asked = dict(zip(sys.argv[1::2], sys.argv[2::2]))
values = {"run": "R9", "name": "patient", "seconds": 1.0, "whole_s": 60.0, "violated": VIOLATED, "injected": 7, "requests": 1}
values |= {"lost": 0, "doubled": 0, "stuck": 0, "longest_delay_s": 0.0, "notes": [asked["--aside"], asked["--only"], "--short" in sys.argv]}
with open(asked["--results"], "w") as results:
    json.dump({"seed": int(asked["--seed"]), "results": {"R9 patient": values}}, results)
sys.exit(CODE)
"""


@pytest.mark.parametrize(("violated", "code", "told"), [("", 0, 0), ("it was lost", 1, 1)])
def test_what_a_process_beside_plays_counts_as_if_it_were_played_here(tmp_path, monkeypatch, capsys, violated, code, told):
    (tmp_path / "beside.py").write_text(BESIDE.replace("VIOLATED", repr(violated)).replace("CODE", str(code)))
    monkeypatch.setattr(suite, "SCRIPT", tmp_path / "beside.py")
    patient = dataclasses.replace(make(refuse, "patient"), aside=cases.Aside.WAITING)
    monkeypatch.setattr(cases, "cases", lambda *_, **__: (make(keep, "one"), patient))
    results = tmp_path / "results.json"

    short = ["--short"] if told else []
    assert suite.main(["--seed", "5", "--only", "R9", *short, "--results", str(results)]) == told

    assert json.loads(results.read_text())["results"]["R9 patient"]["notes"] == ["WAITING", "R9", bool(short)]
    assert f"| R9 | 2 | 9 | 1 | 0 | 0 | 0 | 0.0 s | {2 - told} of 2 | 1.0 |" in capsys.readouterr().out


def test_a_process_beside_that_cannot_play_ends_the_suite(tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text("raise SystemExit(2)")
    monkeypatch.setattr(suite, "SCRIPT", tmp_path / "beside.py")
    patient = dataclasses.replace(make(keep, "patient"), aside=cases.Aside.WAITING)
    monkeypatch.setattr(cases, "cases", lambda *_, **__: (make(keep, "one"), patient))

    with pytest.raises(RuntimeError, match="ended with 2"):
        suite.main(["--seed", "5", "--results", str(tmp_path / "results.json")])


def test_a_case_that_waits_is_played_here_when_nothing_else_is_asked_for(tmp_path, monkeypatch):
    patient = dataclasses.replace(make(keep, "patient"), aside=cases.Aside.WAITING)
    monkeypatch.setattr(cases, "cases", lambda *_, **__: (patient,))

    assert suite.main(["--seed", "5", "--results", str(tmp_path / "results.json")]) == 0


class Taking:
    """A cloud that takes every action at once."""

    def __init__(self):
        self.shown = {}
        self.asked = []

    def image(self):
        return "image"

    def boot(self, name, _image):
        self.shown[name] = "ACTIVE"
        return name

    def servers(self):
        return {one: {"id": one, "status": status, "OS-EXT-STS:task_state": None} for one, status in self.shown.items()}

    def act(self, server_id, action):
        (verb,) = [one for one in verbs.VERBS if one.action == action and not one.keeps]
        assert verbs.STATES[verb.of].shown == self.shown[server_id]
        self.shown[server_id] = verbs.STATES[verb.to].shown
        self.asked.append(verb.name)
        return True

    def in_hand(self):
        return 0

    def wait(self, condition, _timeout_s, what):
        assert condition(), what


@pytest.fixture
def napping(monkeypatch):
    """A workflow of two verbs, and the state between them: as a new one is registered."""
    fields = {"workflow": "nap", "method": "ensure_napping", "driver": "nap"}
    there = verbs.action({"nap": None}, to="napping", name="nap", **fields)
    back = verbs.action({"wake": None}, of="napping", name="wake", **fields)
    monkeypatch.setattr(verbs, "VERBS", (*verbs.VERBS, there, back))
    monkeypatch.setitem(verbs.STATES, "napping", verbs.State(shown="NAPPING", power=PowerState.PAUSED))
    return back


def test_a_verb_that_is_registered_dies_at_its_own_seams_and_has_its_messages_doubled(napping):
    points = {place.point for place in r1_crashes.places(napping)}

    assert {"driver.nap:before", "driver.nap:after"} <= points
    assert any(place.about == "drive nap/" for place in r1_crashes.places(napping))
    assert "ensure_napping" in {rule.about for rule in r4_duplicates.everything("delay")}


def test_a_verb_that_is_registered_begins_in_its_own_state(napping):
    cloud = Taking()
    scene = verbs.Scene(cloud, random.Random(1), at_once=2)

    napping.prepare(scene)

    assert set(cloud.shown.values()) == {"NAPPING"}
    assert scene.wanted()["napping"] == set(cloud.shown)
    napping.act(scene)
    scene.settle(1.0)
    assert scene.wanted()["active"] == set(cloud.shown)


def test_a_verb_that_is_registered_is_part_of_mixed_traffic(napping):
    cloud = Taking()
    mixed = traffic.Traffic(cloud, "image", random.Random(1))
    for _ in range(5):
        mixed.boot()
    for _ in range(500):
        mixed.act()

    assert mixed.is_settled()
    assert (
        {"nap", "wake"} < {verb.name for verb in verbs.VERBS if verb.action is not None and not verb.keeps} == set(cloud.asked)
    )
    assert mixed.counts["nap"] == cloud.asked.count("nap")
    assert mixed.settled_as("napping") == {one for one, status in cloud.shown.items() if status == "NAPPING"}
