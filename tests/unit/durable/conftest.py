"""A database, and workflows made on the spot to show one rule each."""

from __future__ import annotations

import dataclasses
import uuid

import pytest
from workflows import demo, engine_harness
from workflows.fake_hosts import FakeHosts

from nova_lite.durable import journal
from nova_lite.durable.workflow import Done, Outside, Priority, Record, Registry, Workflow
from nova_lite.model.ids import ServerId


@pytest.fixture(scope="session")
def kept_database(tmp_path_factory):
    return engine_harness.KeptDatabase(tmp_path_factory.mktemp("database"))


@pytest.fixture
def database(kept_database):
    return kept_database.empty()


@pytest.fixture
def build(database):
    """Give a function that sets the demo's build up, altered or not."""

    def make(workflow=demo.BUILD, alter=None, **options):
        return engine_harness.Rig(demo.DemoStage(database, workflow), database, alter=alter, **options)

    return make


class OneStage:
    """Any workflow on a subject of its own; its checks are the test's."""

    def __init__(self, database, workflow, others, **options):
        self.database = database
        self.workflow = workflow
        self.others = others
        self.hosts = FakeHosts("h1", "h2")
        self.ports = demo.DemoPorts(database=database, compute=self.hosts)
        self.thing = ServerId(str(uuid.uuid4()))
        self.options = options

    def begin(self):
        new = journal.NewOperation(
            workflow=self.workflow,
            subject_kind="thing",
            subject_id=self.thing,
            params=demo.DemoParams(thing=self.thing),
            project_id="p",
        )
        return self.database.transact(lambda tx: journal.accept(tx, dataclasses.replace(new, **self.options)))


@pytest.fixture
def play(database):
    """Give a function that sets up a workflow made of the given steps."""

    def make(*steps, others=(), accepted=None, lease_s=20.0, **fields):
        workflow = Workflow(name="one", version=1, params=demo.DemoParams, steps=steps, **fields)
        stage = OneStage(database, workflow, others, **(accepted or {}))
        database.transact(lambda tx: demo.METADATA.create_all(tx.connection))
        return engine_harness.Rig(stage, database, lease_s=lease_s)

    return make


@pytest.fixture
def runner_of(database):
    """Give a function that makes a runner of workflows."""

    def make(*workflows, ports=None, **options):
        return engine_harness.Runner(database, Registry(workflows), ports, engine_harness.RunnerOptions(**options))

    return make


def nothing(_run):
    return Done()


@pytest.fixture
def quick():
    """Give a workflow of one step that does nothing."""
    return Workflow(
        name="quick",
        version=1,
        params=demo.DemoParams,
        steps=(Record("nothing", nothing, None, None, 60),),
        priority=Priority.ACTION,
    )


@pytest.fixture
def idle():
    """Give an Outside step that does nothing."""
    return Outside("idle", nothing, None, None, 60)


@pytest.fixture
def accept(database):
    """Give a function that accepts an operation on a subject."""

    def make(workflow, subject="s1", **options):
        new = journal.NewOperation(
            workflow=workflow, subject_kind="thing", subject_id=subject, params=demo.DemoParams(thing=ServerId(subject))
        )
        return database.transact(lambda tx: journal.accept(tx, dataclasses.replace(new, **options)))

    return make
