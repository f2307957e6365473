"""Crashes in the simulation: one at each point of each workflow, and pairs by seed. A play is repeated by its seed."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

from faults.simulation.faults import Point
from faults.simulation.workload import LOADS, Load, ask, boots, check, seeded
from faults.simulation.world import Shelf, World

from nova_lite.durable import journal

BOOTS_AGAIN = ("reboot", "reboot_hard", "rescue", "unrescue", "rebuild")
DEATH_S = 25.0  # a lease and five seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Played:
    """What a play came to. `passed` are the points that it came to, in order."""

    took_s: float
    passed: tuple[Point, ...]
    deaths: tuple[Point, ...]


class Crashes:
    """Plays loads with deaths. What an undisturbed play takes is measured once."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._undisturbed: dict[str, Played] = {}

    def undisturbed(self, load: Load) -> Played:
        """Play a load without any death."""
        if load.workflow not in self._undisturbed:
            self._undisturbed[load.workflow] = self.play(load, seed=1)
        return self._undisturbed[load.workflow]

    def play(self, load: Load, seed: int, deadly: frozenset[int] = frozenset()) -> Played:
        """Play a load with deaths at the points of these numbers. Raises: AssertionError with the story."""
        with seeded(seed):
            world = self._shelf.take(load.begins or "empty", seed)
            try:
                return self._play(world, load, deadly)
            except AssertionError as error:
                raise AssertionError(
                    f"{load.workflow}, seed {seed}, deaths at {sorted(deadly)}: {error}\n{story(world)}"
                ) from error
            finally:
                world.close()

    def _play(self, world: World, load: Load, deadly: frozenset[int]) -> Played:
        world.rest()
        world.fates.begin(deadly)
        began = world.clock.now
        ask(world, load)
        took_s = world.rest() - began
        deaths = tuple(world.fates.deaths)
        check(world, Counter({load.ends: load.count}))
        self._check_boots(world, load, deaths)
        return Played(took_s=took_s, passed=tuple(world.fates.passed), deaths=deaths)

    def _check_boots(self, world: World, load: Load, deaths: tuple[Point, ...]) -> None:
        """Each guest was booted as often as asked. A host that dies between a reboot and its note of it reboots once more."""
        unsure = sum(death.process.startswith("h") for death in deaths) if load.workflow in BOOTS_AGAIN else 0
        assert all(load.boots <= times <= load.boots + unsure for times in boots(world)), f"booted {boots(world)} times"

    def play_single(self, load: Load, number: int) -> float:
        """Die at one point; give the delay that it added. Raises: AssertionError, also when it was too long."""
        played = self.play(load, seed=1, deadly=frozenset({number}))
        delay_s = played.took_s - self.undisturbed(load).took_s
        assert delay_s <= DEATH_S, f"{load.workflow}: {delay_s:.1f} s later after {played.deaths[0]}"
        return delay_s

    def play_pair(self, seed: int) -> Played:
        """Die at two points that the seed chooses, the second perhaps while the first is being mended."""
        chance = random.Random(f"pair {seed}")
        load = chance.choice(LOADS)
        points = len(self.undisturbed(load).passed)
        first = chance.randrange(points)
        second = chance.randrange(first + 1, first + 1 + points)
        return self.play(load, seed, frozenset({first, second}))


def story(world: World) -> str:
    """Tell what happened, from the journal and the deaths."""
    lines = [f"  died at {death}" for death in world.fates.deaths] + [f"  {line}" for line in world.story]
    with world.database.read() as tx:
        for row in journal.live(tx):
            lines.append(f"  lives: {row}")
    return "\n".join(lines)
