"""R4 with real processes: every message comes twice, late, or not at all, and each operation happens once.

Messages are doubled where they are sent, so that each copy has an id of its own: the library drops repeated ones. Delays of
minutes need a simulated clock, and are tried in process.
"""

from __future__ import annotations

import functools
import time
from typing import Any

from faults import invariants, points, verbs
from faults.case import Case, CloudSpec, Stage

SPEC = CloudSpec()
LOST_S = 35.0
SETTLE_S = 120.0
COPY_S = 15.0
MIXED_S = 2.0  # so that some fifty messages are on their way at a time
BOOTS = 3  # booted, started, rebooted
MIX = ("boot", "delete")


def everything(what: str, **parts: float) -> tuple[points.Rule, ...]:
    """Make rules for every message that a daemon sends, but its heartbeats' and its own."""
    commands = sorted({verb.method for verb in verbs.VERBS})
    return tuple(
        points.Rule(id=f"{what}-{method}-{time.monotonic_ns()}", point="rpc.publish:before", what=what, about=method, **parts)
        for method in ("ring", "report", "ack_report", "rank", "welcome", *commands)
    )


def play_mix(stage: Stage, what: str, names: tuple[str, ...], **parts: float) -> None:
    """Do each of these verbs while that happens to all messages; look whether all came once and right."""
    cloud, before = stage.cloud, stage.cloud.requests
    for verb in verbs.VERBS:
        if verb.name not in names:
            continue
        scene = verbs.Scene(cloud, stage.chance)
        verb.prepare(scene)
        boots_before = cloud.boots()
        for daemon in cloud.daemons():
            cloud.faults[daemon].write(*everything(what, **parts))
        verb.act(scene)
        scene.settle(SETTLE_S)
        boots = {one: count - boots_before.get(one, 0) for one, count in cloud.boots().items() if one in scene.living()}
        for daemon in cloud.daemons():
            cloud.faults[daemon].write()
            stage.tally.injected += cloud.faults[daemon].count(what)
            cloud.faults[daemon].forget()
        verb.after(scene)
        invariants.check(cloud, stage.tally, **scene.wanted())
        wrong = {one: count for one, count in boots.items() if count != verb.boots}
        stage.tally.doubled += len(wrong)
        assert not wrong, f"{verb.name}: guests booted another number of times than {verb.boots}: {wrong}"
        scene.clear()
    stage.tally.requests += cloud.requests - before
    assert stage.tally.injected, "no message was touched"


def play_loss(stage: Stage, method: str) -> None:
    """Lose the first message of a method that each daemon sends, once it has left; the delay is bounded."""
    cloud, before = stage.cloud, stage.cloud.requests
    scene = verbs.Scene(cloud, stage.chance)
    undisturbed_s = verbs.undisturbed_s(cloud)
    for daemon in cloud.daemons():
        rule = points.Rule(id=f"lost-{time.monotonic_ns()}", point="rpc.publish:before", what=points.DROP, about=method)
        cloud.faults[daemon].write(rule)
    began = time.monotonic()
    scene.boot()
    delay_s = scene.settle(SETTLE_S) - began - undisturbed_s
    for daemon in cloud.daemons():
        cloud.faults[daemon].write()
        stage.tally.injected += cloud.faults[daemon].count("lost")
        cloud.faults[daemon].forget()
    stage.tally.delayed(max(0.0, delay_s))
    invariants.check(cloud, stage.tally, **scene.wanted())
    scene.clear()
    stage.tally.requests += cloud.requests - before
    assert stage.tally.injected, f"no {method} was lost"
    assert delay_s <= LOST_S, f"{delay_s:.1f} s after a lost {method}"


def play_late_copies(stage: Stage) -> None:
    """Have a copy of each message come much later: after its operation's end, after its host's restart, in the next operation."""
    cloud, before = stage.cloud, stage.cloud.requests
    scene = verbs.Scene(cloud, stage.chance)
    refused_before = _refused(cloud)
    for daemon in cloud.daemons():
        cloud.faults[daemon].write(*everything(points.AGAIN, times=0, seconds=COPY_S))
    scene.boot_in_peace()
    for action, state in (({"os-stop": None}, verbs.STOPPED), ({"os-start": None}, verbs.ACTIVE), (verbs.HARD, verbs.ACTIVE)):
        for host in cloud.host_names:
            cloud.restart(f"compute.{host}")
        scene.act(action, state)
        scene.settle(SETTLE_S)
    boots = {one: count for one, count in cloud.boots().items() if one in scene.living()}
    for _ in range(verbs.AT_ONCE // 2):
        scene.delete_one()
    scene.settle(SETTLE_S)
    time.sleep(COPY_S + 1.0)  # the last copies come to operations that have ended, and to guests that are gone
    for daemon in cloud.daemons():
        cloud.faults[daemon].write()
        stage.tally.injected += cloud.faults[daemon].count(points.AGAIN)
        cloud.faults[daemon].forget()
    invariants.check(cloud, stage.tally, **scene.wanted())
    later = {one: count for one, count in cloud.boots().items() if one in scene.living()}
    wrong = {one: count for one, count in (*boots.items(), *later.items()) if count != BOOTS}
    stage.tally.doubled += len(wrong)
    refused = _refused(cloud) - refused_before
    stage.tally.notes.append(f"{refused} commands were refused as late or of another incarnation")
    scene.clear()
    stage.tally.requests += cloud.requests - before
    assert not wrong, f"guests booted another number of times than {BOOTS}: {wrong}"
    assert refused, "no copy came too late"


def _refused(cloud: Any) -> int:
    """Count what hosts say they refused; their metrics have no port here."""
    logs = [cloud.log(name).read_text(errors="replace") for name in cloud.names("compute")]
    return sum(log.count("A late command is refused") + log.count("of another incarnation is refused") for log in logs)


ALL = tuple(verb.name for verb in verbs.VERBS if not verb.keeps)
CASES = (
    Case(
        run="R4",
        name="every message twice",
        play=functools.partial(play_mix, what=points.DUPLICATE, names=MIX, times=0),
        spec=SPEC,
        short=True,
        bound_s=240.0,
    ),
    Case(
        run="R4",
        name="every message twice, every verb",
        play=functools.partial(play_mix, what=points.DUPLICATE, names=ALL, times=0),
        spec=SPEC,
        short=False,
        bound_s=400.0,
    ),
    Case(
        run="R4",
        name="every message late",
        play=functools.partial(play_mix, what=points.DELAY, names=ALL, times=0, seconds=1.0),
        spec=SPEC,
        short=False,
        bound_s=600.0,
    ),
    Case(
        run="R4",
        name="every message out of order",
        play=functools.partial(play_mix, what=points.LATE, names=ALL, times=0, seconds=MIXED_S),
        spec=SPEC,
        short=False,
        bound_s=600.0,
    ),
    Case(run="R4", name="copies after the end, hosts restart", play=play_late_copies, spec=SPEC, short=False, bound_s=300.0),
    *(
        Case(
            run="R4",
            name=f"{method} is lost",
            play=functools.partial(play_loss, method=method),
            spec=SPEC,
            short=False,
            bound_s=180.0,
        )
        for method in ("ring", "rank", "ensure_guest", "report", "ack_report")
    ),
)
