"""Two requests at the same moment, drawn from all routes of Compute that change something: neither is a failure of ours.

The pairs are chosen by chance. TEST_SEED chooses others, TEST_PAIRS says how many; a failure names its pair.
"""

from __future__ import annotations

import os
import random
import threading

import falcon.testing
import pytest
from conformance import exceptions, tables
from conformance.asking import Asked, good_request
from conformance.tables import Known

SEED = os.environ.get("TEST_SEED", "1")
COUNT = int(os.environ.get("TEST_PAIRS", "150"))
READS = ("GET", "HEAD")
NOT_OFFERED = 501


def is_offered(known: Known) -> bool:
    return exceptions.find(known.service.name, known.route, "admin") is not False


CHANGES = [
    one
    for one in tables.known_routes()
    if one.service.name == "compute" and one.route.method not in READS and one.line.tier != "X" and is_offered(one)
]


def pairs() -> list[tuple[Known, Known]]:
    """Draw pairs; every fifth is a request with itself."""
    chance = random.Random(f"pairs {SEED}")
    found = []
    for number in range(COUNT):
        first = chance.choice(CHANGES)
        found.append((first, first if number % 5 == 0 else chance.choice(CHANGES)))
    return found


def at_once(world, requests: list[Asked]) -> list[falcon.testing.Result]:
    barrier = threading.Barrier(len(requests))
    answers: dict[int, falcon.testing.Result] = {}

    def send(number: int) -> None:
        barrier.wait()
        answers[number] = requests[number].send(world)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(requests))]


@pytest.mark.parametrize("pair", pairs(), ids=lambda pair: f"seed {SEED}: {pair[0]} with {pair[1]}")
def test_two_requests_at_once_are_both_answered(world, pair):
    requests = [good_request(world, known, "admin") for known in pair]

    answers = at_once(world, requests)

    world.put_back()
    bad = [f"{answer.status_code} {answer.text[:300]}" for answer in answers if answer.status_code >= 500]
    assert not [one for one in bad if not one.startswith(str(NOT_OFFERED))], f"TEST_SEED={SEED}"
