"""Blind retries with an Idempotency-Key through cut connections: the short version (1,000 of them in run RETRY)."""

from __future__ import annotations

import os
import random

import pytest
from faults import retrying

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SEED = int(os.environ.get("NOVA_LITE_SEED") or random.randrange(1_000_000))
SERVERS = 60


@pytest.fixture
def cloud(tmp_path):
    with retrying.api_alone(tmp_path) as cloud:
        yield cloud


def test_blind_retries_through_cut_connections_make_each_server_once(cloud):
    blind, proxy = retrying.play(cloud, number=SERVERS, seed=SEED, kills=2)

    assert proxy.cut_requests > 0, f"NOVA_LITE_SEED={SEED} repeats this"
    assert proxy.cut_answers > 0
    assert blind.replayed > 0
