"""R1: no crash loses or doubles an operation. Daemons are killed at named points of their seams, several at once.

A case is one verb and up to ten points: two in the apis, three in the conductors, one in a scheduler, and one on each host.
The seed says which points share a case and at which occurrence each of them strikes.
"""

from __future__ import annotations

import dataclasses
import functools
import random

from faults import invariants, points, verbs
from faults.case import Aside, Case, CloudSpec, Stage

SPEC, KEEPING = CloudSpec(), CloudSpec(keeps=True)
SIDES = ("before", "after")
LEASE_S = 20.0
MARGIN_S = 5.0
SLOTS = {"api": 2, "conductor": 3, "scheduler": 1, "compute": 4}
SHORT = {"boot": (0,), "reboot_hard": (0,)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """A seam of a kind of daemon, and what it is used for at that moment."""

    kind: str
    point: str
    about: str = ""
    often: int = 1  # how often a verb comes by at the least


def places(verb: verbs.Verb) -> list[Place]:
    """List every point that a verb comes by in every daemon."""
    step = f"drive {verb.workflow}/"
    found = []
    for side in SIDES:
        found += [
            Place(kind="api", point=f"journal.commit:{side}"),
            Place(kind="api", point=f"rpc.publish:{side}", about="ring"),
            Place(kind="conductor", point=f"journal.commit:{side}", about=step, often=2),
            Place(kind="conductor", point=f"journal.commit:{side}", about="handler report"),
            Place(kind="conductor", point=f"rpc.publish:{side}", about=verb.method),
            Place(kind="conductor", point=f"rpc.deliver:{side}", about="report"),
            Place(kind="conductor", point=f"rpc.ack:{side}"),
            Place(kind="compute", point=f"rpc.deliver:{side}", about=verb.method),
            Place(kind="compute", point=f"rpc.publish:{side}", about="report"),
            Place(kind="compute", point=f"rpc.ack:{side}"),
            Place(kind="compute", point=f"driver.{verb.driver}:{side}"),
            Place(kind="compute", point=f"file.ledger:{side}", often=2),
            Place(kind="compute", point=f"file.hypervisor:{side}"),
        ]
        if verb.workflow in ("boot", "boot_many", "evacuate"):
            found.append(Place(kind="scheduler", point=f"rpc.deliver:{side}", about="rank"))
            found.append(Place(kind="scheduler", point=f"rpc.publish:{side}"))
    if verb.workflow == "boot":
        found += [Place(kind="api", point=f"file.image:{side}") for side in SIDES]
    return found


def rounds(verb: verbs.Verb, seed: int) -> list[list[Place]]:
    """Deal a verb's places into cases, as many of each kind to a case as it has daemons."""
    chance = random.Random(f"{seed} {verb.name}")
    dealt: list[list[Place]] = []
    for kind, of_all in SLOTS.items():
        slots = of_all - 1 if kind == "compute" and verb.loses_host else of_all
        mine = [place for place in places(verb) if place.kind == kind]
        chance.shuffle(mine)
        for number in range(0, len(mine), slots):
            while len(dealt) <= number // slots:
                dealt.append([])
            dealt[number // slots] += mine[number : number + slots]
    return dealt


def arm(stage: Stage, chosen: list[Place]) -> list[points.Rule]:
    """Plan each place's death: on a host of its own, or on the control daemon of its kind that comes by first."""
    rules = []
    plans: dict[str, list[points.Rule]] = {name: [] for name in stage.cloud.daemons()}
    free = [name for name in stage.cloud.names("compute") if name not in stage.cloud.lost]
    for place in chosen:
        names = [free.pop()] if place.kind == "compute" else stage.cloud.names(place.kind)
        nth = stage.chance.randint(1, place.often)
        rules.append(points.Rule(id=f"{stage.chance.getrandbits(40):x}", point=place.point, about=place.about, nth=nth))
        for name in names:
            plans[name].append(rules[-1])
        stage.tally.notes.append(f"{' or '.join(names)} dies at {place.point} {place.about or 'of anything'}, time {nth}")
    for name, plan in plans.items():
        stage.cloud.faults[name].write(*plan)
    return rules


def play(stage: Stage, verb: verbs.Verb, number: int) -> None:
    """Do one verb on several servers while daemons die, and see that all came right in time."""
    cloud, before = stage.cloud, stage.cloud.requests
    scene = verbs.Scene(cloud, stage.chance)
    verb.prepare(scene)
    undisturbed_s = verbs.undisturbed_s(cloud)
    with cloud.keeping():
        rules = arm(stage, rounds(verb, stage.seed)[number])
        verb.act(scene)
        settled_at = scene.settle(LEASE_S + MARGIN_S + undisturbed_s + 60.0)
        fired: dict[str, float] = {}
        for plan in cloud.faults.values():
            fired |= plan.fired()
            plan.write()
    deaths = [fired[rule.id] for rule in rules if rule.id in fired]
    stage.tally.injected += len(deaths)
    stage.tally.notes += [f"nobody came to {rule.point} {rule.about}" for rule in rules if rule.id not in fired]
    verb.after(scene)
    invariants.check(cloud, stage.tally, **scene.wanted())
    delay_s = max(0.0, settled_at - max(deaths) - undisturbed_s) if deaths else 0.0
    stage.tally.delayed(delay_s)
    scene.clear()
    stage.tally.requests += cloud.requests - before
    assert delay_s <= LEASE_S + MARGIN_S, f"{delay_s:.1f} s after the last death"


CASES = tuple(
    Case(
        run="R1",
        name=f"{verb.name}, daemons die ({number + 1})",
        play=functools.partial(play, verb=verb, number=number),
        spec=KEEPING if verb.keeps else SPEC,
        short=number in SHORT.get(verb.name, ()),
        bound_s=240.0,
        aside=Aside.DEATHS,
    )
    for verb in verbs.VERBS
    for number in range(len(rounds(verb, 0)))
)
