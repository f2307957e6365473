"""R0: two of everything. Any one daemon may be killed or replaced in order under load, and no user notices.

Users here ask again only what did not answer or said 503, at the next api. Every other answer but the expected is a failure.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Iterator

from faults import invariants, verbs
from faults.case import Case, CloudSpec, Stage

SPEC = CloudSpec()
DRAIN_S = 10.0
KINDS = ("api", "conductor", "scheduler", "compute")
SETTLE_S = 90.0


class Load:
    """Boots and deletes in a thread of its own until it is stopped; keeps every failure."""

    def __init__(self, stage: Stage) -> None:
        """`wanted` is what each server must come to."""
        self._cloud = stage.cloud
        self._image = stage.cloud.image()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.scene = verbs.Scene(stage.cloud, stage.chance)
        self.scene.image = self._image
        self.failures: list[str] = []

    def _work(self) -> None:
        while not self._stop.wait(0.1):
            try:
                self.scene.boot_one()
                if len(self.scene.living()) > 12:
                    self.scene.delete_one()
                self._cloud.servers()
            except Exception as error:  # a thread: whatever happens to a user here is a failure of the case
                self.failures.append(repr(error))

    def alive(self) -> bool:
        """Whether a request is still in hand."""
        return self._thread.is_alive()

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Have the load on while the block lasts, and for a second before and after."""
        self._thread.start()
        time.sleep(1)
        try:
            yield
            time.sleep(1)
        finally:
            self._stop.set()
            self._thread.join(120)


def finish(stage: Stage, load: Load) -> None:
    """See that no request failed, everything came true, and nothing is left."""
    assert not load.failures, load.failures
    assert not load.alive(), "a request still waits"
    assert len(load.scene.living()) >= 3, "there was no load"
    load.scene.settle(SETTLE_S)
    invariants.check(stage.cloud, stage.tally, **load.scene.wanted())
    load.scene.clear()


def play_kill(stage: Stage, kind: str) -> None:
    """Kill one of a kind under load; its keeper starts it anew after a second."""
    cloud, before = stage.cloud, stage.cloud.requests
    load = Load(stage)
    with cloud.keeping(), load.on():
        cloud.kill(stage.chance.choice(cloud.names(kind)))
        stage.tally.injected += 1
        time.sleep(4)
    finish(stage, load)
    stage.tally.requests += cloud.requests - before


def play_rolling(stage: Stage) -> None:
    """Replace every daemon in turn under load, in order: each ends within ten seconds, and then the next one follows."""
    cloud, before = stage.cloud, stage.cloud.requests
    load = Load(stage)
    with load.on():
        for name in cloud.daemons():
            began = time.monotonic()
            code = cloud.end(name, DRAIN_S * 2)
            took_s = time.monotonic() - began
            cloud.spawn(name)
            stage.tally.injected += 1
            stage.tally.delayed(took_s)
            stage.tally.notes.append(f"{name} ended with {code} after {took_s:.1f} s")
            assert took_s <= DRAIN_S, f"{name} took {took_s:.1f} s to end"
            cloud.wait(cloud.is_ready, 30, f"the cloud is ready after {name}")
            time.sleep(1)
    finish(stage, load)
    stage.tally.requests += cloud.requests - before


def play_early(stage: Stage) -> None:
    """Ask each kind of daemon to end while it is still starting, at several moments."""
    cloud = stage.cloud
    for kind in KINDS:
        name = cloud.names(kind)[0]
        cloud.kill(name)
        for _ in range(3):
            cloud.spawn(name)
            time.sleep(stage.chance.uniform(0.3, 3.0))
            began = time.monotonic()
            cloud.end(name, DRAIN_S * 3)
            took_s = time.monotonic() - began
            stage.tally.injected += 1
            stage.tally.delayed(took_s)
            assert took_s <= DRAIN_S, f"{name} took {took_s:.1f} s to end"
        cloud.spawn(name)
    cloud.wait(cloud.is_ready, 60, "the cloud is ready again")


CASES = (
    *(
        Case(
            run="R0",
            name=f"any one {kind} is killed under load",
            play=functools.partial(play_kill, kind=kind),
            spec=SPEC,
            short=kind == "api",  # R1's short cases kill the others
            bound_s=240.0,
        )
        for kind in KINDS
    ),
    Case(run="R0", name="rolling restart under load", play=play_rolling, spec=SPEC, short=True, bound_s=300.0),
    Case(run="R0", name="a signal that comes during the start", play=play_early, spec=SPEC, short=False, bound_s=240.0),
)
