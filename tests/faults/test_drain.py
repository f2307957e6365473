"""A host is emptied by its operator while daemons die: a part of the short version of the fault suite."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults import cloud as clouds
from faults import invariants
from faults.test_random_deaths import check, delete_all, settle
from faults.verbs import ACTIVE

pytestmark = [pytest.mark.rabbit, pytest.mark.slow, pytest.mark.timeout(300)]
SERVERS = 6
DRAIN_S = 120


@pytest.fixture
def cloud(tmp_path):
    with clouds.running(tmp_path, host_names=("h1", "h2", "h3")) as cloud:
        yield cloud


def operator(cloud, *arguments):
    """Begin an operator's command."""
    command = [str(Path(sys.prefix) / "bin" / "nova-lite"), "--config-file", str(cloud.config), "host", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def on_hosts(cloud):
    return {one["OS-EXT-SRV-ATTR:host"] for one in cloud.servers().values()}


@pytest.mark.parametrize("victim", ["conductor.1", "compute.h1"])
def test_a_host_is_empty_in_the_end_whoever_dies_meanwhile(cloud, victim):
    image = cloud.image()
    ids = {cloud.boot(f"s{number}", image) for number in range(SERVERS)}
    settle(cloud, ids)
    assert "h1" in on_hosts(cloud)
    cloud.behave({"migrate_live": {"delay_s": 1.0}})

    draining = operator(cloud, "drain", "h1", "--json", "--timeout", str(DRAIN_S))
    try:
        cloud.wait(lambda: cloud.in_hand() > 0, 60, "servers move")
        time.sleep(0.3)
        cloud.restart(victim)
        told, complaints = draining.communicate(timeout=DRAIN_S + 60)
    finally:
        draining.kill()

    assert draining.returncode == 0, f"{told}\n{complaints}"
    assert json.loads(told)["left"] == []
    settle(cloud, ids)
    assert on_hosts(cloud) == {"h2", "h3"}
    assert not [guest for places in cloud.guests().values() for guest in places if guest[0] == "h1"]
    check(cloud, **{ACTIVE: ids})
    delete_all(cloud, ids)
    assert not invariants.violations(cloud, deleted=ids)
