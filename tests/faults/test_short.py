"""Daemons killed and the broker stopped while servers boot: the short version of the fault suite."""

from __future__ import annotations

import importlib.util
import os
import random
import sys
import threading
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.rabbit, pytest.mark.slow, pytest.mark.timeout(600)]


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"faults_{name}", Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CLOUD, INVARIANTS = load("cloud"), load("invariants")
SERVERS = 30
SEED = int(os.environ.get("NOVA_LITE_SEED") or random.randrange(1_000_000))
DEAD_S = 180.0  # the longest that a lost message or a stolen lease may take, on a slow machine


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with CLOUD.running(tmp_path_factory.mktemp("cloud"), host_names=("h1", "h2")) as cloud:
        cloud.make_quota_ample()
        yield cloud


@pytest.fixture(scope="module")
def image(cloud):
    return cloud.image()


def boot_while(cloud, image, trouble, count: int = SERVERS) -> set[str]:
    """Boot servers one after another while `trouble` goes on in a thread of its own; give their ids."""
    stop = threading.Event()
    thread = threading.Thread(target=trouble, args=(stop,), daemon=True)
    thread.start()
    ids = set()
    for number in range(count):
        ids.add(cloud.boot(f"s{number}", image))
        time.sleep(0.15)
    stop.set()
    thread.join(120)
    return ids


def settle(cloud, ids: set[str]) -> None:
    def all_active() -> bool:
        servers = cloud.servers()
        broken = {server_id: servers[server_id]["fault"] for server_id in ids if servers[server_id]["status"] == "ERROR"}
        assert not broken, f"seed {SEED}: {broken}"
        return all(servers[server_id]["status"] == "ACTIVE" for server_id in ids)

    cloud.wait(all_active, DEAD_S, "every server is ACTIVE")


def delete_all(cloud, ids: set[str]) -> None:
    for server_id in ids:
        cloud.compute("DELETE", f"/servers/{server_id}")
    cloud.wait(lambda: not (set(cloud.servers()) & ids), DEAD_S, "every server is gone")


def check(cloud, *, active: set[str] = frozenset(), deleted: set[str] = frozenset()) -> None:
    wrong: list[str] = []

    def clean() -> bool:
        wrong[:] = INVARIANTS.violations(cloud, active=set(active), deleted=set(deleted))
        return not wrong

    deadline = time.monotonic() + 20
    while not clean() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not wrong, f"seed {SEED}: {wrong}"


@pytest.mark.parametrize("victim", ["conductor", "compute.h1", "scheduler", "api"])
def test_killing_a_daemon_at_random_moments_loses_and_doubles_nothing(cloud, image, victim):
    chance = random.Random(SEED)

    def kills(stop: threading.Event) -> None:
        for _ in range(3):
            if stop.wait(chance.uniform(0.3, 1.5)):
                return
            cloud.restart(victim)

    ids = boot_while(cloud, image, kills)
    settle(cloud, ids)
    check(cloud, active=ids)

    delete_all(cloud, ids)
    check(cloud, deleted=ids)


def test_a_broker_that_is_away_for_twenty_seconds_is_only_delay(cloud, image):
    def outage(_stop: threading.Event) -> None:
        time.sleep(0.5)
        cloud.rabbit.stop()
        time.sleep(20)
        cloud.rabbit.start()

    ids = boot_while(cloud, image, outage, count=15)
    settle(cloud, ids)

    check(cloud, active=ids)
    delete_all(cloud, ids)
    check(cloud, deleted=ids)
