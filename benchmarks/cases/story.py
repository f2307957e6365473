"""What the story costs: CPU time of boots in one process, with its notes and without, in turns so that noise hits both."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

TESTS = Path(__file__).resolve().parents[2] / "tests"
ROUNDS, BOOTS = 8, 8  # pairs of batches, boots in each


def run(folder: Path) -> dict[str, tuple[float, str, str]]:
    """Boot batch after batch, and weigh the notes of one boot by themselves."""
    sys.path.insert(0, str(TESTS))
    from functional.cloud import running

    told: list[float] = []
    silent: list[float] = []
    with running(folder, "h1", "h2") as cloud:
        image = cloud.image()
        _batch(cloud, image)
        for _ in range(ROUNDS):
            told.append(_batch(cloud, image))
            with without_notes():
                silent.append(_batch(cloud, image))
    boot_ms = statistics.median(silent) * 1000
    notes_ms = notes_s() * 1000
    return {
        "CPU of a boot with notes": (statistics.median(told) * 1000, "ms", ""),
        "CPU of a boot without": (boot_ms, "ms", ""),
        "the notes of a boot by themselves": (notes_ms, "ms", ""),
        "their share of a boot's CPU": (notes_ms / boot_ms * 100, "%", "< 3"),
    }


def _batch(cloud: Any, image: str) -> float:
    """Boot some servers; give the CPU seconds of each."""
    began = time.process_time()
    ids = [cloud.boot(image, f"s{number}") for number in range(BOOTS)]
    for server_id in ids:
        cloud.wait_for(server_id, "ACTIVE")
    spent = time.process_time() - began
    for server_id in ids:
        cloud.ask("DELETE", f"/servers/{server_id}")
        cloud.wait_gone(server_id)
    return spent / BOOTS


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Have nothing noted for the story."""
    from nova_lite.durable import facts
    from nova_lite.durable.run import LeasedRun

    with (
        mock.patch.object(facts, "with_lease", lambda known, *_: known),
        mock.patch.object(LeasedRun, "sent", lambda *_: None),
    ):
        yield


def notes_s(times: int = 2000) -> float:
    """Give the CPU seconds of all that a boot does for its story: two notes, and their way into the row and back.

    A boot writes its row five times and reads it twice.
    """
    import orjson

    from nova_lite.durable import facts
    from nova_lite.durable.progress import State, plain_state
    from nova_lite.model import wire

    def life(known: facts.Facts) -> None:
        state = State(entered=4, started_at=1.0, waits_for="h1", waits=1, facts=known)
        for _ in range(5):
            text = orjson.dumps(plain_state(state))
        for _ in range(2):
            wire.from_plain(State, orjson.loads(text))

    def notes() -> facts.Facts:
        known = facts.with_lease((), {"owner": facts.process() + ":0123abcd", "number": 1}, 1.0)
        place = {"step": "start_guest", "unwinding": False, "attempt": 1, "turn": 4}
        return facts.with_command(facts.with_lease(known, known[0], 2.0), place, "h1", "ensure_guest", 2.0)

    began = time.process_time()
    for _ in range(times):
        life(notes())
    told = time.process_time() - began
    began = time.process_time()
    for _ in range(times):
        life(())
    return (told - (time.process_time() - began)) / times
