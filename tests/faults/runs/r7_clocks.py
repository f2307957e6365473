"""R7: clocks do not matter. Every daemon has a time of day of its own, which jumps; nothing ends early, no host counts as dead.

Debian's libfaketime gives each process its time of day. What measures durations is not touched: the monotonic clocks, and
the database's own time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from faults import invariants, verbs
from faults.case import Case, CloudSpec, Stage

from nova_lite.db.types import METADATA
from nova_lite.inventory import hosts

SPEC = CloudSpec()
LIBRARIES = Path("/usr/lib")
API_S, OTHERS_S = 60, 3600
PAUSE_S = (1.0, 3.0)  # between two jumps
SETTLE_S = 120.0
READY_S = 60.0
NEAR_S = 5.0
HOSTS, EVENTS = METADATA.tables["hosts"], METADATA.tables["step_events"]
PROBE = "import time; print(time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))"


def library() -> Path:
    """Find libfaketime, which Debian's package `faketime` brings."""
    found = sorted(LIBRARIES.glob("*/faketime/libfaketime.so.1"))
    assert found, "no libfaketime here: install the package faketime"
    return found[0]


@dataclasses.dataclass
class Clocks:
    """The time of day of each daemon: a file that its library looks into each second. `jumps` counts the changes."""

    cloud: Any
    chance: random.Random
    jumps: int = 0

    def environment(self, name: str) -> dict[str, str]:
        """Give what makes a process live by a daemon's clock."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file(name)),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",  # files have the time of the machine that keeps them
        }

    def jump(self, name: str, *, ahead: bool) -> None:
        """Set a clock: ahead of the true time or behind, as far as this kind of daemon may be."""
        most = API_S if name.startswith("api.") else OTHERS_S
        off_s = self.chance.uniform(0.9, 1.0) * most * (1 if ahead else -1)
        fresh = self._file(name).with_suffix(".new")
        fresh.write_text(f"{off_s:+.0f}\n")
        fresh.replace(self._file(name))
        self.jumps += 1

    def begin(self) -> None:
        """Start every daemon anew by its own clock: of each kind one ahead and the next one behind."""
        for number, name in enumerate(self.cloud.daemons()):
            self.jump(name, ahead=number % 2 == 0)
            self.cloud.extra_environment[name] = self.environment(name)
            self.cloud.restart(name)

    def see_that_it_works(self, name: str) -> None:
        """See that a process with such a clock has a wrong time of day, and true monotonic clocks."""
        command = [sys.executable, "-c", PROBE]
        before = (time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))
        said = subprocess.run(
            command, env={**os.environ, **self.environment(name)}, capture_output=True, text=True, timeout=30, check=True
        )
        wall, monotonic, boottime = map(float, said.stdout.split())
        most = API_S if name.startswith("api.") else OTHERS_S
        assert abs(wall - time.time()) > most * 0.8, f"{name} has the true time"
        assert 0 <= monotonic - before[0] < READY_S, f"{name}: its monotonic clock is wrong too"
        assert 0 <= boottime - before[1] < READY_S, f"{name}: its time since boot is wrong too"

    @contextlib.contextmanager
    def jumping(self) -> Iterator[None]:
        """Let one clock after another jump to the other side while the block lasts."""
        done = threading.Event()

        def jump() -> None:
            ahead = dict.fromkeys(self.cloud.daemons(), False)
            while not done.wait(self.chance.uniform(*PAUSE_S)):
                name = self.chance.choice(sorted(ahead))
                ahead[name] = not ahead[name]
                self.jump(name, ahead=ahead[name])

        thread = threading.Thread(target=jump, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(10)

    def _file(self, name: str) -> Path:
        return Path(self.cloud.root / f"{name}.clock")


class Watch:
    """Looks at the hosts each half second, by the database's clock: none may ever count as down, nor have to register again."""

    def __init__(self, cloud: Any) -> None:
        """`dead` lists what was seen."""
        self._cloud = cloud
        self.dead: set[str] = set()
        self.looks = 0

    def incarnations(self) -> dict[str, int]:
        """Give how often each host has registered."""
        with self._cloud.database.read() as tx:
            return {host.name: host.incarnation for host in hosts.list_hosts(tx)}

    def all_beat_since(self, earlier: dict[str, int]) -> bool:
        """Whether each host has registered anew since then, and has beaten after its last registration."""
        with self._cloud.database.engine.connect() as connection:
            rows = connection.execute(sa.select(HOSTS)).all()
        return all(row.incarnation > earlier[row.name] and row.look_incarnation == row.incarnation for row in rows)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Look while the block lasts."""
        done = threading.Event()

        def look() -> None:
            while not done.wait(0.5):
                with self._cloud.database.read() as tx:
                    self.dead |= {host.name for host in hosts.list_hosts(tx) if not host.up}
                self.looks += 1

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(10)


def see_tokens(cloud: Any) -> None:
    """See that a token made by any api is good at every other, and that a logout at one ends it at all."""
    token = cloud.token()
    for port in cloud.ports:
        fresh = cloud.fresh_token(port)
        places = [f"http://127.0.0.1:{one}/identity/v3/auth/tokens" for one in cloud.ports]
        for place in places:
            found = requests.get(place, headers={"X-Auth-Token": fresh, "X-Subject-Token": token}, timeout=30)
            assert found.status_code == 200, f"a token of {port} at {place}: {found.status_code} {found.text[:300]}"
        for place in reversed(places):
            gone = requests.delete(place, headers={"X-Auth-Token": token, "X-Subject-Token": fresh}, timeout=30)
            assert gone.status_code in (204, 404), f"{gone.status_code} {gone.text[:300]}"
        cloud.wait(lambda fresh=fresh: all(_is_refused(cloud, one, fresh) for one in cloud.ports), 15.0, "the logout is known")


def _is_refused(cloud: Any, port: int, token: str) -> bool:
    answer = requests.get(f"http://127.0.0.1:{port}/compute/v2.1/servers", headers={"X-Auth-Token": token}, timeout=30)
    return answer.status_code == 401


def see_other_times(cloud: Any) -> None:
    """See that the daemons really live by other clocks: what the apis answer with, and what the conductors write down."""
    for port in cloud.ports:
        said = requests.get(f"http://127.0.0.1:{port}/identity/v3", timeout=30).headers["Date"]
        assert abs(parsedate_to_datetime(said).timestamp() - time.time()) > API_S * 0.8, f"the api {port} has the true time"
    with cloud.database.engine.connect() as connection:
        written = connection.execute(sa.select(HOSTS.c.updated_at)).scalars().all()
    assert all(abs(one - time.time()) > OTHERS_S * 0.8 for one in written), f"a conductor has the true time: {written}"


def missteps(cloud: Any, since: int) -> list[str]:
    """List the steps that did not simply succeed: with nothing but clocks in trouble, each must."""
    query = sa.select(EVENTS).where(EVENTS.c.id > since, sa.or_(EVENTS.c.outcome != "done", EVENTS.c.attempt > 1))
    with cloud.database.engine.connect() as connection:
        return [f"{row.step} {row.outcome} ({row.attempt}): {row.message}" for row in connection.execute(query)]


def last_event(cloud: Any) -> int:
    """Give the number of the newest entry of all stories."""
    with cloud.database.engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(EVENTS.c.id), 0))).scalar_one())


def play_clocks(stage: Stage, names: tuple[str, ...]) -> None:
    """Give every daemon another clock, let them jump, and do each verb meanwhile."""
    cloud, before = stage.cloud, stage.cloud.requests
    stage.spoil()
    clocks, watch = Clocks(cloud, stage.chance), Watch(cloud)
    token = cloud.token()
    earlier = watch.incarnations()
    clocks.begin()
    cloud.wait(lambda: cloud.is_ready() and watch.all_beat_since(earlier), READY_S, "all daemons serve by their own clocks")
    for name in cloud.daemons():
        clocks.see_that_it_works(name)
    see_other_times(cloud)
    incarnations, since = watch.incarnations(), last_event(cloud)
    with clocks.jumping(), watch.watching():
        for verb in verbs.VERBS:
            if verb.name in names:
                _do(stage, verb)
        see_tokens(cloud)
    stage.tally.injected += clocks.jumps
    stage.tally.requests += cloud.requests - before
    stage.tally.notes.append(f"{clocks.jumps} clocks set, {watch.looks} looks at the hosts")
    assert cloud.token() == token, "a token ended early"
    assert watch.looks, "nobody looked at the hosts"
    assert not watch.dead, f"hosts that live counted as dead: {watch.dead}"
    assert watch.incarnations() == incarnations, "hosts had to register again"
    wrong = missteps(cloud, since)
    assert not wrong, f"steps that had to be repeated, or ended early: {wrong[:5]}"


def _do(stage: Stage, verb: verbs.Verb) -> None:
    scene = verbs.Scene(stage.cloud, stage.chance)
    verb.prepare(scene)
    began = time.monotonic()
    verb.act(scene)
    took_s = scene.settle(SETTLE_S) - began
    stage.tally.notes.append(f"{verb.name}: {took_s:.1f} s")
    invariants.check(stage.cloud, stage.tally, **scene.wanted())
    scene.clear()


ALL = tuple(verb.name for verb in verbs.VERBS if not (verb.keeps or verb.loses_host))
CASES = (
    Case(
        run="R7",
        name="wrong clocks that jump",
        play=functools.partial(play_clocks, names=("boot", "stop")),
        spec=SPEC,
        short=False,
        bound_s=120.0,
    ),
    Case(
        run="R7",
        name="wrong clocks that jump, every verb",
        play=functools.partial(play_clocks, names=ALL),
        spec=SPEC,
        short=False,
        bound_s=60.0 * len(ALL),
    ),
)
