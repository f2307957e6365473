"""What a run of the fault suite is made of: cases, each with the cloud it wants, and the tally of what it did and found."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RUNS = Path(__file__).parent / "runs"


@dataclasses.dataclass(kw_only=True)
class Tally:
    """What one case injected, asked and found. `longest_delay_s` is what a fault added to an operation."""

    injected: int = 0
    requests: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    longest_delay_s: float = 0.0
    notes: list[str] = dataclasses.field(default_factory=list)

    def delayed(self, seconds: float) -> None:
        """Note a delay; the longest is kept."""
        self.longest_delay_s = max(self.longest_delay_s, seconds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CloudSpec:
    """How many of each daemon a case wants, on which database. Cases with equal specs share a running cloud."""

    apis: int = 2
    conductors: int = 2
    schedulers: int = 2
    hosts: int = 4
    consoles: int = 0
    database: str = "postgres"  # or "sqlite"
    broker_nodes: int = 1
    one_compute: bool = False  # one process is all hosts
    keeps: bool = False  # what is deleted for a while, and the guests of what is shelved
    extra_config: str = ""  # lines added to the daemons' configuration


class Stage:
    """What a case plays on. `cloud` is running when the case has a spec; after `spoil()` the next case gets a fresh one."""

    def __init__(self, *, cloud: Any, seed: int, name: str, folder: Path) -> None:
        """`chance` depends on the seed and the case's name only, so a case may be repeated alone."""
        self.cloud = cloud
        self.seed = seed
        self.folder = folder
        self.chance = random.Random(f"{seed} {name}")
        self.tally = Tally()
        self.spoiled = False

    def spoil(self) -> None:
        """Say that no other case should play on this cloud."""
        self.spoiled = True


class Aside(enum.Enum):
    """What is played by a process of its own, beside the rest of the long suite; its number is how nice that one is.

    For cases that have all they need themselves, and no promise about seconds that the rest could break, or be broken by.
    The numbers differ since members with one number would be the same.
    """

    WAITING = 0  # it waits nearly all of its time
    DEATHS = 1  # it waits most of its time for leases of the dead, and promises no second that is not a wait
    SIMULATED = 10  # it has its own clock, and takes whatever processor others leave


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One promise tried once. `play` raises AssertionError when it does not hold; `bound_s` is the longest it may take."""

    run: str
    name: str
    play: Callable[[Stage], None]
    spec: CloudSpec | None
    short: bool
    bound_s: float
    aside: Aside | None = None


def cases(runs: Sequence[str] = (), *, short: bool = False) -> tuple[Case, ...]:
    """Give the cases of the runs of those names, or of all, in order; with `short` those of the short version only."""
    found: list[Case] = []
    files = sorted(RUNS.glob("r*_*.py"), key=lambda path: (int(path.stem[1:].split("_")[0]), path.stem))
    for path in files:
        found += importlib.import_module(f"faults.runs.{path.stem}").CASES
    return tuple(one for one in found if (not runs or one.run in runs) and (one.short or not short))
