"""The short version of the fault suite: some cases of each run that share a cloud."""

from __future__ import annotations

import os
import random

import pytest
from faults import case as cases
from faults import playing

pytestmark = [pytest.mark.rabbit, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(600)]
SEED = int(os.environ.get("NOVA_LITE_SEED") or random.randrange(1_000_000))
CASES = playing.in_order([case for case in cases.cases(short=True) if case.spec is not None])


@pytest.fixture(scope="module")
def theatre(tmp_path_factory):
    with playing.theatre(tmp_path_factory.mktemp("theatre"), SEED) as theatre:
        yield theatre


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.run} {case.name}")
def test_a_promise_holds(theatre, case):
    played = theatre.play(case)

    assert not played.violated, f"seed {SEED}: {played.violated}\n{played.tally.notes}"
