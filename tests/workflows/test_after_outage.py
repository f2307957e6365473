"""Choosing a host when all were silent for long: after an outage of the broker it is waited for their next word."""

from __future__ import annotations

import dataclasses

import pytest
from workflows.engine_harness import Rig
from workflows.servers import BootStage

from nova_lite.inventory import hosts
from nova_lite.model.server import ServerState
from nova_lite.scheduler.pick import pick
from nova_lite.workflows.boot import BOOT
from nova_lite.workflows.boot_many import BOOT_MANY

OUTAGE_S = 700.0  # longer than a host's own silence is waited for


class Deaf:
    """A scheduler that has heard of no host for the first times that it is asked."""

    def __init__(self, scheduler, times):
        self.scheduler = scheduler
        self.left = times

    def rank(self, request, envelope=None):
        self.left -= 1
        if self.left < 0:
            return self.scheduler.rank(request, envelope)
        with self.scheduler.database.read() as tx:
            silent = {"up": False, "last_seen_age_s": OUTAGE_S}
            return pick(request, [dataclasses.replace(host, **silent) for host in hosts.list_for_choice(tx)])


def boot(database, workflow, *, deaf, heard_s):
    stage = BootStage(database, workflow, 1 if workflow is BOOT else 2)
    stage.ports = dataclasses.replace(stage.ports, scheduler=Deaf(stage.ports.scheduler, deaf))
    stage.ports.hosts.heard_s = heard_s
    Rig(stage, stage.database).play()
    return {stage.row(server).state for server in stage.servers}


@pytest.mark.parametrize("workflow", [BOOT, BOOT_MANY], ids=lambda workflow: workflow.name)
def test_hosts_that_the_broker_kept_silent_are_waited_for(database, workflow):
    assert boot(database, workflow, deaf=5, heard_s=2.0) == {ServerState.ACTIVE}


@pytest.mark.parametrize("workflow", [BOOT, BOOT_MANY], ids=lambda workflow: workflow.name)
def test_hosts_that_were_silent_by_themselves_for_as_long_are_not(database, workflow):
    assert boot(database, workflow, deaf=5, heard_s=60.0) == {ServerState.ERROR}


def test_the_wait_ends_though_no_host_is_heard(database):
    assert boot(database, BOOT, deaf=10_000, heard_s=0.0) == {ServerState.ERROR}
