"""The claim judges a group: whatever happened between the choice and the claim."""

from __future__ import annotations

import dataclasses
import uuid

import pytest
from workflows.engine_harness import Rig
from workflows.servers import CONTEXT, FLAVOR, PROJECT, USER, BootStage, new_server

from nova_lite.inventory import claims
from nova_lite.model.placement import Hints
from nova_lite.model.server import ServerState
from nova_lite.model.server_group import ServerGroup
from nova_lite.servers import groups, records
from nova_lite.workflows import create
from nova_lite.workflows.boot import BOOT
from nova_lite.workflows.boot_many import BOOT_MANY
from nova_lite.workflows.desk import SERVER


class Rivals:
    """A scheduler beside which another member of the group takes room each time, on the host just ranked first."""

    def __init__(self, stage, real, members, times):
        self.stage, self.real, self.members, self.left = stage, real, members, times

    def rank(self, request, envelope=None):
        ranking = self.real.rank(request, envelope)
        if self.left and ranking.hosts:
            self.left -= 1
            self.members.take(ranking.hosts[-1 if self.members.policy == "affinity" else 0])
        return ranking


class Members:
    """Other members of a group, which appear on hosts when a test wants them to."""

    def __init__(self, database, policy, most=None):
        self.database, self.policy = database, policy
        self.group = ServerGroup(
            id=str(uuid.uuid4()),
            project_id=PROJECT,
            user_id=USER,
            name="g",
            policy=policy,
            max_per_host=most,
            created_at=0.0,
        )
        database.transact(lambda tx: groups.create(tx, self.group))

    def take(self, host):
        server = new_server(state=ServerState.ACTIVE, host=host)

        def work(tx):
            records.insert(tx, server)
            groups.join(tx, self.group.id, [server])
            claims.claim(tx, host, server.id, FLAVOR.resources())

        self.database.transact(work)


class GroupStage(BootStage):
    """A boot, or several of one request, of servers in a group."""

    def __init__(self, database, members, workflow=BOOT, count=1, rivals=0):
        super().__init__(database, workflow, count)
        self.members = members
        hints = {"group": members.group.id}
        self.servers = tuple(dataclasses.replace(server, scheduler_hints=hints) for server in self.servers)
        scheduler = Rivals(self, self.ports.scheduler, members, rivals)
        self.ports = dataclasses.replace(self.ports, scheduler=scheduler)

    def begin(self):
        hints = Hints(group_id=self.members.group.id)
        order = create.CreateOrder(servers=self.servers, min_count=len(self.servers), hints=hints)
        create.accept(self.desk, CONTEXT, order)
        subject = self.servers[0].id if self.workflow is BOOT else self.servers[0].reservation_id
        return self._live(SERVER if self.workflow is BOOT else "reservation", subject)

    def hosts_used(self):
        return [self.row(server).host for server in self.servers]

    def per_host(self):
        with self.database.read() as tx:
            return groups.rule_for(tx, self.members.group.id, "nobody").members


def play(stage):
    Rig(stage, stage.database).play()
    return stage


def test_a_member_that_was_faster_sends_the_server_to_another_host(database):
    stage = play(GroupStage(database, Members(database, "anti-affinity"), rivals=1))

    assert stage.row(stage.servers[0]).state is ServerState.ACTIVE
    assert stage.per_host() == {"h1": 1, "h2": 1}


def test_a_group_that_filled_up_meanwhile_is_told_in_words_and_takes_no_host(database):
    stage = GroupStage(database, Members(database, "anti-affinity"), rivals=1)
    stage.members.take("h1")

    play(stage)

    fault = stage.row(stage.servers[0]).fault.message
    assert fault == "No host can take the server: of 2 hosts 2 have enough servers of the group (anti-affinity)."
    assert stage.per_host() == {"h1": 1, "h2": 1}
    assert stage.claimed(stage.servers[0]) == []


def test_the_first_member_elsewhere_draws_an_affinity_server_along(database):
    stage = play(GroupStage(database, Members(database, "affinity"), rivals=1))

    assert stage.row(stage.servers[0]).state is ServerState.ACTIVE
    assert list(stage.per_host().values()) == [2]


@pytest.mark.parametrize(("most", "ends"), [(None, {"h1": 1, "h2": 1}), (2, {"h1": 2, "h2": 2})])
def test_a_batch_counts_its_own_servers(database, most, ends):
    stage = GroupStage(database, Members(database, "anti-affinity", most), BOOT_MANY, count=sum(ends.values()))

    play(stage)

    assert stage.per_host() == ends
    assert {stage.row(server).state for server in stage.servers} == {ServerState.ACTIVE}


def test_a_batch_that_is_too_large_for_its_group_claims_nothing(database):
    stage = GroupStage(database, Members(database, "anti-affinity"), BOOT_MANY, count=3)

    play(stage)

    assert stage.per_host() == {}
    assert {stage.row(server).state for server in stage.servers} == {ServerState.ERROR}


@pytest.mark.parametrize("policy", ["affinity", "soft-affinity"])
def test_a_batch_of_a_group_that_gathers_shares_one_host(database, policy):
    stage = play(GroupStage(database, Members(database, policy), BOOT_MANY, count=3))

    assert len(set(stage.hosts_used())) == 1


def test_a_server_that_joins_a_group_which_was_removed_is_not_accepted(database):
    stage = GroupStage(database, Members(database, "affinity"))
    database.transact(lambda tx: groups.delete(tx, stage.members.group.id))

    with pytest.raises(create.errors.BadRequest):
        stage.begin()

    assert stage.used() == 0
