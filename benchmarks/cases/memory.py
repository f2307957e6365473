"""Whether memory stays flat: servers booted and deleted, one batch after another, in the simulation of one process.

Two conductors, the api's side, two hosts and a broker in one thread under a simulated clock (docs/develop/simulation.md), made
of the product's own parts. What ended is removed after each batch, as housekeeping does after 30 days, so that the database is
no larger at the end; its pages are no part of what is weighed. BOOTS and MEMORY_S bound it: it ends after so many boots, or
with the batch in which the time is over. What daemons weigh: `burst`.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[2] / "tests"
BOOTS = int(os.environ.get("BOOTS", "10000"))
MEMORY_S = float(os.environ.get("MEMORY_S", "600"))
BATCH = 50
WARM = 4  # batches before anything is weighed: caches fill, code is loaded
Figures = dict[str, tuple[float, str, str]]


def run(_folder: Path) -> Figures:
    """Weigh after the first batches, and at the end."""
    sys.path.insert(0, str(TESTS))
    from faults.simulation import workload

    folder, shelf = workload.make_shelf()
    with folder, workload.seeded(1):
        world = shelf.take("empty", 1)
        world.rest()
        figures = batches(world)
        world.close()
    return figures


def batches(world: Any) -> Figures:
    """Boot and delete until enough has been booted or the time is over."""
    end = time.monotonic() + MEMORY_S
    for _ in range(WARM):
        batch(world)
    first, rss = blocks(), rss_mib()
    booted = 0
    while booted < BOOTS and time.monotonic() < end:
        batch(world)
        booted += BATCH
    grown = blocks() - first
    return {
        "boots and deletes": (booted, "", f"{BOOTS:,}"),
        "blocks of memory in use at first": (first, "blocks", ""),
        "growth": (grown, "blocks", "none that goes on"),
        "growth, each boot": (grown / max(booted, 1), "blocks", "< 1"),
        "growth of the process at its largest": (rss_mib() - rss, "MiB", ""),
    }


def batch(world: Any) -> None:
    """Boot some servers, delete them, and forget what ended."""
    from faults.simulation import workload

    loads = {load.workflow: load for load in workload.LOADS}
    for _ in range(BATCH):
        workload.ask(world, loads["boot"])
    world.settle()
    workload.ask(world, loads["delete"])
    world.rest()
    forget(world)


def forget(world: Any) -> None:
    """Empty the history; what simulation and tests note for their checks is not the product's."""
    from nova_lite.durable import journal

    while world.database.transact(lambda tx: journal.purge(tx, world.clock.wall() + 1)):
        pass
    world.database.transact(lambda tx: tx.connection.exec_driver_sql("DELETE FROM servers WHERE state = 'deleted'"))
    world.database.transact(lambda tx: tx.connection.exec_driver_sql("DELETE FROM subjects WHERE live_operation IS NULL"))
    world.story.clear()


def blocks() -> int:
    """Count the blocks of memory that Python's objects take: one that is kept for each boot shows after a few thousand."""
    gc.collect()
    return sys.getallocatedblocks()


def rss_mib() -> float:
    """Give the most that this process ever had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
