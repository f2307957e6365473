"""A small cloud in one thread: its processes, broker and clock; it is played until it is at rest."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.simulation.broker import Broker, Message, Wire
from faults.simulation.faults import Crash, Fates, Seams
from faults.simulation.processes import Books, ComputeProcess, ConductorProcess
from workflows.engine_harness import make_database

from nova_lite import errors
from nova_lite.clock import SimulatedClock
from nova_lite.db.engine import Database
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import HostName
from nova_lite.rpc.conductor import ConductorClient, Doorbell
from nova_lite.workflows.desk import Desk

HOSTS = ("h1", "h2")
CONDUCTORS = ("c1", "c2")
RESTART_S = 2.0  # what a supervisor takes to start a dead process again
WINDOW = 50
ROUNDS = 50_000
LONGEST_S = 6 * 3600.0
NEXT = "SELECT min(max(wake_at, coalesce(lease_until, wake_at))) FROM operations WHERE ended_at IS NULL"
OWED = "SELECT count(*) FROM tombstones"
LIVE = "SELECT count(*) FROM operations WHERE ended_at IS NULL"


class Shelf:
    """States of a cloud at rest, kept as files, so that a play need not begin at the beginning."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        self.database = make_database(self.work)
        self._clocks: dict[str, float] = {}

    def keep(self, name: str, world: World) -> None:
        """Keep how a world is now. It is over afterwards."""
        world.close()
        with self.database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.commit()
        self.database.dispose()
        shutil.copytree(self.work, self.folder / name)
        self._clocks[name] = world.clock.now

    def take(self, name: str | None, seed: int) -> World:
        """Give a world as it was kept, or (without a name) as it has just been made."""
        if name is not None:
            self.database.dispose()
            shutil.rmtree(self.work)
            shutil.copytree(self.folder / name, self.work)
        self.database.clock = SimulatedClock(start=self._clocks.get(name or "", 1_000_000.0) + 1.0)
        return World(self.database, self.work, seed)


class World:
    """The cloud. What is random in it depends on `seed` alone."""

    def __init__(self, database: Database, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.database = database
        self.folder = folder
        clock = database.clock
        assert isinstance(clock, SimulatedClock)
        self.clock = clock
        self.fates = Fates()
        self.broker = Broker(clock)
        self.mixes = False
        self.story: list[str] = []
        self.api = Seams(self.fates, "api")
        self.up: dict[str, Any] = {}
        self._restarts = {name: clock.now for name in (*HOSTS, *CONDUCTORS)}
        self._rows = sqlite3.connect(folder / "test.db")

    def close(self) -> None:
        """End all processes."""
        for process in self.up.values():
            process.close()
        self.up.clear()
        self._rows.close()

    # -- what happens --------------------------------------------------------------------------------------------------

    def ask(self, request: Callable[[Desk], object]) -> None:
        """Ask the api for something; when it dies meanwhile ask again, as a client does. A conflict then means: it was taken."""
        asked = False
        while True:
            books = Books(self.database, self.api)
            conductor = ConductorClient(Wire(self.broker, self.api))
            books.where = "accept"
            try:
                request(Desk(database=books, ring=lambda one: conductor.ring(Doorbell(operation_id=one))))  # noqa: B023
            except Crash:
                self._tell("api died")
                asked = True
                self.clock.now += 1.0
                continue
            except (errors.Conflict, errors.NotFound):
                if not asked:
                    raise
            return

    def kill(self, name: str) -> None:
        """End a process with all that it has in memory."""
        self.up.pop(name).close()
        self._tell(f"{name} died")
        self._restarts[name] = self.clock.now + RESTART_S

    def turn_off(self, name: str) -> None:
        """Take a host's power: its daemon and its guests are gone, its disks stay."""
        if name in self.up:
            self.kill(name)
        self._restarts[name] = float("inf")
        path = self.folder / name / "hypervisor.json"
        kept = json.loads(path.read_text())
        for guest in kept["guests"].values():
            guest["power_state"] = PowerState.SHUTDOWN.value
        path.write_text(json.dumps(kept))

    def turn_on(self, name: str) -> None:
        """Give a host its power back."""
        if name not in self.up:
            self._restarts[name] = self.clock.now + RESTART_S

    def step(self) -> None:
        """Do what is due, and let the time come at which something is due next."""
        if not self._turn():
            self._wait()

    def rest(self) -> float:
        """Go on until there is nothing more to do; give the time at which the last operation had ended."""
        began = ended = self.clock.now
        for _ in range(ROUNDS):
            moved = self._turn()
            if self._count():
                ended = self.clock.now
            elif not moved and self._is_quiet():
                return ended
            if not moved:
                self._wait()
            if self.clock.now - began > LONGEST_S:
                break
        raise AssertionError("it never comes to rest")

    def settle(self) -> None:
        """Go on until no operation lives and every host has reported; messages may still be under way."""
        until = self.clock.now + LONGEST_S
        while self._turn() or self._count() or not all(name in self.up and self.up[name].is_idle() for name in HOSTS):
            if self.clock.now > until:
                raise AssertionError("operations never end")
            self._wait()

    def pass_time(self, seconds: float) -> None:
        """Go on for so long."""
        until = self.clock.now + seconds
        while self._turn() or self.clock.now < until:
            self._wait()

    def _turn(self) -> bool:
        moved = self._restart()
        messages = self.broker.take()
        if self.mixes:
            messages = self._mixed(messages)
        for message in messages:
            self._deliver(message)
        for name in tuple(self.up):
            if self.up[name].due <= self.clock.now:
                self._let(name, "tick")
        for name in HOSTS:
            moved = (name in self.up and self._let(name, "work")) or moved
        return self._run() or moved or bool(messages)

    def _run(self) -> bool:
        """Let one of the conductors run what is due."""
        nearest = self._rows.execute(NEXT).fetchone()[0]
        if nearest is None or nearest > self.clock.now:
            return False
        alive = [name for name in CONDUCTORS if name in self.up]
        return bool(alive) and self._let(self.chance.choice(alive), "run")

    def _let(self, name: str, act: str, *args: Any) -> bool:
        try:
            return bool(getattr(self.up[name], act)(*args))
        except Crash:
            self.kill(name)
            return True

    def _deliver(self, message: Message) -> None:
        if message.to == "conductor":
            names = [name for name in CONDUCTORS if name in self.up]
        else:
            names = [name for name in (message.to.removeprefix("compute."),) if name in self.up]
        if not names:
            message.due = self.clock.now + 0.5  # it stays in its queue
            self.broker.waiting.append(message)
            return
        self._let(self.chance.choice(names), "handle", message)

    def _mixed(self, messages: list[Message]) -> list[Message]:
        mixed: list[Message] = []
        for start in range(0, len(messages), WINDOW):
            window = messages[start : start + WINDOW]
            self.chance.shuffle(window)
            mixed += window
        return mixed

    def _restart(self) -> bool:
        due = [name for name, at in self._restarts.items() if at <= self.clock.now]
        for name in due:
            del self._restarts[name]
            self._start(name)
        return bool(due)

    def _start(self, name: str) -> None:
        seams = Seams(self.fates, name)
        try:
            if name in CONDUCTORS:
                self.up[name] = ConductorProcess(self.database, self.broker, seams)
            else:
                self.up[name] = ComputeProcess(HostName(name), self.folder / name, self.broker, seams, self.database)
        except Crash:
            self._tell(f"{name} died as it started")
            self._restarts[name] = self.clock.now + RESTART_S

    # -- when it ends --------------------------------------------------------------------------------------------------

    def _count(self) -> int:
        return int(self._rows.execute(LIVE).fetchone()[0])

    def _is_quiet(self) -> bool:
        owed = self._rows.execute(OWED).fetchone()[0]  # told with the next heartbeat
        return not owed and not self._restarts and not self.broker.waiting and all(self.up[name].is_idle() for name in HOSTS)

    def _wait(self) -> None:
        """Let the time come at which something is due."""
        nearest = self._rows.execute(NEXT).fetchone()[0]
        times = [process.due for process in self.up.values()]
        times += [self.broker.next_due(), *self._restarts.values()]
        if nearest is not None:
            times.append(float(nearest))
        self.clock.now = max(self.clock.now, min(times)) + 0.001

    def _tell(self, what: str) -> None:
        self.story.append(f"{self.clock.now:.1f} {what}")
