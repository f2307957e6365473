"""R4 in one process with a simulated clock: messages doubled, mixed, ten minutes late, after restarts and ends; lost ones."""

from __future__ import annotations

from faults.case import Aside, Case, Stage
from faults.simulation.messages import Mishaps
from faults.simulation.workload import LOADS, make_shelf

LIVES = 200


def play_doubled(stage: Stage) -> None:
    """Have everything said twice."""
    folder, shelf = make_shelf()
    commands = reports = 0.0
    with folder:
        mishaps = Mishaps(shelf)
        first = stage.seed * LIVES
        for seed in range(first, first + LIVES):
            refused = mishaps.play_doubled(seed, restarts=seed % 2 == 1)
            commands, reports = commands + refused.commands, reports + refused.reports
            stage.tally.requests += 6
        shelf.database.dispose()
    assert commands > 0, "no command was refused"
    assert reports > 0, "no report was dropped"
    stage.tally.injected += int(commands + reports)
    stage.tally.notes.append(f"{commands:.0f} commands and {reports:.0f} reports were refused")


def play_late_and_lost(stage: Stage) -> None:
    """Repeat each command after its operation's end; lose each message once."""
    folder, shelf = make_shelf()
    with folder:
        mishaps = Mishaps(shelf)
        for load in LOADS:
            mishaps.play_late(load, stage.seed)
            stage.tally.requests += 1
            for number in mishaps.count_messages(load):
                stage.tally.delayed(mishaps.play_lost(load, number))
                stage.tally.injected += 1
                stage.tally.requests += 1
        shelf.database.dispose()


CASES = (
    Case(
        run="R4",
        name="simulated doubled messages",
        play=play_doubled,
        spec=None,
        short=False,
        aside=Aside.SIMULATED,
        bound_s=1800.0,
    ),
    Case(
        run="R4",
        name="simulated late and lost messages",
        play=play_late_and_lost,
        spec=None,
        short=False,
        aside=Aside.SIMULATED,
        bound_s=600.0,
    ),
)
