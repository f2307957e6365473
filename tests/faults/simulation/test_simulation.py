"""The bounded simulation of R1 and R4. `NOVA_LITE_PAIRS=10000` plays the long version; a failing pair names its seed."""

from __future__ import annotations

import os

import pytest
from faults.simulation.crashes import Crashes
from faults.simulation.messages import Mishaps
from faults.simulation.partitions import Partitions
from faults.simulation.workload import LOADS, make_shelf

from nova_lite.workflows.registry import REGISTRY

PAIRS = int(os.environ.get("NOVA_LITE_PAIRS", "100"))
SEED = int(os.environ.get("NOVA_LITE_SEED", "0"))
SEAMS = {"journal.commit", "publish", "ack", "driver", "ledger", "file", "scheduler", "step.do", "step.recording"}
OF_IMAGES = {"import_image"}  # no image service is simulated: tests/functional/test_image_imports.py breaks it off
each_load = pytest.mark.parametrize("load", LOADS, ids=lambda load: load.workflow)


@pytest.fixture(scope="module")
def shelf():
    folder, shelf = make_shelf()
    yield shelf
    shelf.database.dispose()
    folder.cleanup()


@pytest.fixture(scope="module")
def crashes(shelf):
    return Crashes(shelf)


@pytest.fixture(scope="module")
def mishaps(shelf):
    return Mishaps(shelf)


PARTITIONS = int(os.environ.get("NOVA_LITE_PARTITIONS", "20"))


def test_evacuations_among_random_partitions_never_make_two_running_guests(shelf):
    partitions = Partitions(shelf)

    for seed in range(SEED, SEED + PARTITIONS):
        partitions.play(seed)

    assert partitions.evacuated >= PARTITIONS // 20


def test_every_registered_workflow_is_in_the_simulation():
    assert {load.workflow for load in LOADS} == {workflow.name for workflow in REGISTRY.all()} - OF_IMAGES


def test_every_seam_is_met(crashes):
    met = {point.seam for load in LOADS for point in crashes.undisturbed(load).passed}

    assert met >= SEAMS


@each_load
def test_a_crash_at_each_point_ends_right_and_in_time(crashes, load):
    for number in range(len(crashes.undisturbed(load).passed)):
        crashes.play_single(load, number)


@pytest.mark.parametrize("first", [SEED], ids="from seed {}".format)
def test_pairs_of_crashes_end_right(crashes, first):
    both = [len(crashes.play_pair(seed).deaths) == 2 for seed in range(first, first + PAIRS)]

    assert sum(both) >= PAIRS // 4


def test_the_same_seed_plays_the_same(crashes):
    first, second = crashes.play_pair(7), crashes.play_pair(7)

    assert first == second


@pytest.mark.parametrize("restarts", [False, True], ids=["staying", "restarting"])
@pytest.mark.parametrize("seed", range(3))
def test_doubled_mixed_and_late_messages_do_each_thing_once(mishaps, seed, restarts):
    refused = mishaps.play_doubled(seed, restarts=restarts)

    assert refused.commands > 0
    assert refused.reports > 0


@pytest.mark.parametrize("seed", range(4))
def test_looks_that_are_all_late_show_no_server_in_its_old_state(mishaps, seed):
    assert mishaps.play_late_looks(seed) > 0


@each_load
def test_a_command_of_an_ended_operation_changes_nothing(mishaps, load):
    mishaps.play_late(load, 1)


@each_load
def test_a_lost_message_is_only_delay(mishaps, load):
    for number in mishaps.count_messages(load):
        mishaps.play_lost(load, number)
