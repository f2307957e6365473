"""Messages that come twice, late and mixed: whatever the broker does, each thing is done once."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable

from faults.simulation.broker import Fate, Message
from faults.simulation.workload import LOADS, Load, ask, boots, check, seeded, servers
from faults.simulation.world import HOSTS, RESTART_S, Shelf, World

from nova_lite import metrics

LATEST_S = 600.0
LOST_S = 35.0
LATE_LOOK_S = (20.0, 45.0)  # longer than a row has to rest, shorter than what makes a host count as down
PAUSES_S = (0.0, 60.0, LATEST_S)  # some copies come before the next request
FORGETFUL = 0.5
REASONS = ("late", "incarnation")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refusals:
    """What was refused meanwhile: commands by hosts, reports by conductors."""

    commands: float
    reports: float


def _refused() -> tuple[float, float]:
    commands = sum(metrics.COMMANDS_REFUSED.labels(reason)._value.get() for reason in REASONS)
    return commands, metrics.REPORTS_DROPPED._value.get()


def _unbelieved() -> float:
    return float(metrics.LOOKS_REFUSED.labels("late")._value.get())


def _late(message: Message) -> bool:
    return message.method in ("heartbeat", "power_changed")


class Mishaps:
    """Plays loads over a broker that misbehaves. Nothing dies unless it is said."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def play_doubled(self, seed: int, *, restarts: bool = False) -> Refusals:
        """Ask one server for all there is, each message coming at once and again up to ten minutes later, mixed."""
        before = _refused()
        self._play_life(seed, lambda world: lambda _message: (0.0, world.chance.uniform(0.0, LATEST_S)), restarts=restarts)
        after = _refused()
        return Refusals(commands=after[0] - before[0], reports=after[1] - before[1])

    def play_late_looks(self, seed: int) -> float:
        """Ask one server for all there is while no look of a host comes in time, only commands and reports do.

        Give how many looks were not believed.
        """
        before = _unbelieved()
        self._play_life(
            seed, lambda world: lambda message: (_late(message) * world.chance.uniform(*LATE_LOOK_S),), (25.0, 30.0, 40.0)
        )
        return _unbelieved() - before

    def _play_life(
        self, seed: int, fate_in: Callable[[World], Fate], pauses: tuple[float, ...] = PAUSES_S, *, restarts: bool = False
    ) -> None:
        with seeded(seed):
            world = self._shelf.take("empty", seed)
            try:
                self._live_through(world, fate_in(world), pauses, restarts)
            finally:
                world.close()

    def _live_through(self, world: World, fate: Fate, pauses: tuple[float, ...], restarts: bool) -> None:
        world.rest()
        world.mixes = True
        world.broker.fate = fate
        expected = 0
        for name in ("boot", "stop", "start", "reboot", "reboot_hard", "delete"):
            load = next(load for load in LOADS if load.workflow == name)
            expected += {"stop": 0, "delete": 0}.get(name, 1)
            ask(world, load, servers(world))
            world.settle()
            if name != "delete":
                assert boots(world) == [expected], f"{name}: booted {boots(world)} times"
            world.pass_time(world.chance.choice(pauses))
            if restarts:
                self._restart_hosts(world)
        world.broker.fate = lambda _message: (0.0,)
        world.rest()
        check(world, Counter({"deleted": 1}))

    def _restart_hosts(self, world: World) -> None:
        """Restart the hosts, now and then without their ledgers. What is under way to them comes later, and is refused."""
        for name in HOSTS:
            world.kill(name)
            if world.chance.random() < FORGETFUL:
                for file in (world.folder / name).glob("ledger.db*"):
                    file.unlink()
        world.pass_time(RESTART_S * 2)

    def play_late(self, load: Load, seed: int) -> None:
        """Let each command to a host come again after its operation has ended."""
        self._play(load, seed, lambda message: (0.0, LATEST_S) if message.to != "conductor" else (0.0,))

    def play_lost(self, load: Load, number: int) -> float:
        """Lose one message; give the delay that this added. Raises: AssertionError when that was too long."""
        whole, _sent = self._play(load, 1, lambda _message: (0.0,))
        took, _sent = self._play(load, 1, lambda message: () if message.number == number else (0.0,))
        assert took - whole <= LOST_S, f"{load.workflow}: {took - whole:.1f} s later without message {number}"
        return took - whole

    def count_messages(self, load: Load) -> range:
        """Give the numbers of the messages of an undisturbed play."""
        _took, sent = self._play(load, 1, lambda _message: (0.0,))
        return range(1, sent + 1)

    def _play(self, load: Load, seed: int, fate: Fate) -> tuple[float, int]:
        with seeded(seed):
            world = self._shelf.take(load.begins or "empty", seed)
            try:
                world.rest()
                world.broker.sent, world.broker.fate = 0, fate
                began = world.clock.now
                ask(world, load)
                took = world.rest() - began
                check(world, Counter({load.ends: load.count}))
                assert set(boots(world)) <= {load.boots}, f"{load.workflow}: booted {boots(world)} times"
                return took, world.broker.sent
            finally:
                world.close()
