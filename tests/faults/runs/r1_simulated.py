"""R1 in one process with a simulated clock: a crash at each point of each workflow, then 10,000 random pairs."""

from __future__ import annotations

from faults.case import Aside, Case, Stage
from faults.simulation.crashes import Crashes
from faults.simulation.workload import LOADS, make_shelf

PAIRS = 10_000


def play_points(stage: Stage) -> None:
    """Die at each point once."""
    folder, shelf = make_shelf()
    with folder:
        crashes = Crashes(shelf)
        for load in LOADS:
            for number in range(len(crashes.undisturbed(load).passed)):
                stage.tally.delayed(crashes.play_single(load, number))
                stage.tally.injected += 1
                stage.tally.requests += 1
        shelf.database.dispose()


def play_pairs(stage: Stage) -> None:
    """Die at two points, as the seed chooses."""
    folder, shelf = make_shelf()
    with folder:
        crashes = Crashes(shelf)
        first = stage.seed * PAIRS
        for seed in range(first, first + PAIRS):
            stage.tally.injected += len(crashes.play_pair(seed).deaths)
            stage.tally.requests += 1
        shelf.database.dispose()
    stage.tally.notes.append(f"pairs of the seeds {first} to {first + PAIRS - 1}")


CASES = (
    Case(
        run="R1",
        name="simulated crash at each point",
        play=play_points,
        spec=None,
        short=False,
        aside=Aside.SIMULATED,
        bound_s=1200.0,
    ),
    Case(
        run="R1",
        name="simulated pairs of crashes",
        play=play_pairs,
        spec=None,
        short=False,
        aside=Aside.SIMULATED,
        bound_s=3600.0,
    ),
)
