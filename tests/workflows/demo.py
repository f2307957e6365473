"""Workflows of the engine's own tests, small but of every kind: one with undos, one with no way back, a delete."""

from __future__ import annotations

import dataclasses
import uuid

import sqlalchemy as sa
from workflows.fake_hosts import FakeHosts

from nova_lite.db.engine import Database, Tx
from nova_lite.durable import journal
from nova_lite.durable.workflow import Back, Done, Outside, Priority, Record, Run, Transient, Wait, Workflow, minutes
from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import HostName, OperationId, ServerId
from nova_lite.rpc.commands import CommandHead, EnsureGuest, RemoveGuest

THING = "thing"
METADATA = sa.MetaData()
NOTES = sa.Table("demo_notes", METADATA, sa.Column("subject", sa.String(36), index=True), sa.Column("what", sa.String(64)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoParams:
    """Whose life it is."""

    thing: ServerId


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The hosts, best first."""

    hosts: tuple[HostName, ...]


@dataclasses.dataclass(frozen=True)
class Claimed:
    """The host taken."""

    host: HostName


@dataclasses.dataclass(kw_only=True)
class DemoPorts:
    """The world of the demo: hosts, and an outside service that keeps objects by their key."""

    database: Database
    compute: FakeHosts
    objects: set[str] = dataclasses.field(default_factory=set)
    location: dict[str, str] = dataclasses.field(default_factory=dict)


def note(tx: Tx, subject: str, what: str) -> None:
    tx.execute(NOTES.insert(), {"subject": subject, "what": what})


def forget(tx: Tx, subject: str, what: str) -> None:
    tx.execute(NOTES.delete().where(NOTES.c.subject == subject, NOTES.c.what == what))


def notes(database: Database, subject: str) -> list[str]:
    with database.read() as tx:
        return sorted(tx.execute(sa.select(NOTES.c.what).where(NOTES.c.subject == subject)).scalars())


def head(run: Run[DemoParams]) -> CommandHead:
    return CommandHead(
        server_id=run.params.thing,
        operation_id=run.operation_id,
        request_id=run.request_id,
        step=run.step,
        unwinding=run.unwinding,
        attempt=run.attempt,
        fence=run.fence,
        turn=run.turn,
        incarnation=1,
        time_left_s=run.time_left_s,
    )


def _spec(thing: ServerId) -> GuestSpec:
    return GuestSpec(server_id=thing, name="n", hostname="n", project_id="p", user_id="u", vcpus=1, ram_mib=1, root_gib=1)


def choose(run: Run[DemoParams]) -> Done:
    return Done(Chosen(tuple(host for host in run.ports.compute.hosts if host not in run.hosts_tried)))


def claim(run: Run[DemoParams]) -> Done:
    hosts = [host for host in run.out(Chosen).hosts if host not in run.hosts_tried]
    if not hosts:
        raise Back("choose", "none left")
    note(run.tx, run.params.thing, "claim")
    return Done(Claimed(hosts[0]))


def unclaim(run: Run[DemoParams]) -> Done:
    forget(run.tx, run.params.thing, "claim")
    return Done()


def make_port(run: Run[DemoParams]) -> Done:
    run.ports.objects.add(run.key())
    return Done()


def remove_port(run: Run[DemoParams]) -> Done:
    run.ports.objects.discard(run.key())
    return Done()


def start(run: Run[DemoParams]) -> Done | Wait:
    return _ensure(run, run.out(Claimed).host)


def _ensure(run: Run[DemoParams], host: HostName) -> Done | Wait:
    report = run.report()
    if report is None:
        run.ports.compute.order(host, EnsureGuest(head=head(run), spec=_spec(run.params.thing)))
        return Wait(30, host)
    report.raise_if_fault(back_to="claim")
    return Done()


def unstart(run: Run[DemoParams]) -> Done | Wait:
    return _remove(run, run.out(Claimed).host)


def _remove(run: Run[DemoParams], host: HostName) -> Done | Wait:
    report = run.report()
    if report is None:
        run.ports.compute.order(host, RemoveGuest(head=head(run)))
        return Wait(30, host)
    if not report.ok:
        raise Transient(report.message)
    return Done()


def mark(run: Run[DemoParams]) -> Done:
    note(run.tx, run.params.thing, "active")
    return Done()


def mark_error(run: Run[DemoParams]) -> None:
    note(run.tx, run.params.thing, "error")


def mark_cancelled(run: Run[DemoParams]) -> None:
    note(run.tx, run.params.thing, "cancelled")


def begin_delete(run: Run[DemoParams]) -> None:
    journal.accept(
        run.tx,
        journal.NewOperation(
            workflow=DELETE, subject_kind=THING, subject_id=run.subject_id, params=run.params, project_id="p", ends=True
        ),
    )


def remove_everywhere(run: Run[DemoParams]) -> Done | Wait:
    hosts = run.ports.compute.with_guest(run.params.thing)
    if run.report() is not None and not hosts:
        return Done()
    for host in hosts or run.ports.compute.hosts:
        run.ports.compute.order(host, RemoveGuest(head=head(run)))
    return Wait(30)


def clear(run: Run[DemoParams]) -> Done:
    run.ports.objects.clear()
    return Done()


def close(run: Run[DemoParams]) -> Done:
    run.tx.execute(NOTES.delete().where(NOTES.c.subject == run.params.thing))
    note(run.tx, run.params.thing, "deleted")
    return Done()


DELETE = Workflow(
    name="demo_delete",
    version=1,
    params=DemoParams,
    steps=(
        Outside("remove", remove_everywhere, None, "deleting", minutes(5), commits=True),
        Outside("clear", clear, None, "deleting", minutes(5), commits=True),
        Record("close", close, None, "deleting", minutes(1), commits=True),
    ),
    priority=Priority.DELETE,
)

BUILD = Workflow(
    name="demo_build",
    version=1,
    params=DemoParams,
    steps=(
        Outside("choose", choose, None, "scheduling", minutes(1)),
        Record("claim", claim, unclaim, "scheduling", minutes(1)),
        Outside("port", make_port, remove_port, "networking", minutes(2)),
        Outside("start", start, unstart, "spawning", minutes(30)),
        Record("mark", mark, None, None, minutes(1)),
    ),
    priority=Priority.BOOT,
    on_failure=mark_error,
    on_cancel=mark_cancelled,
    on_delete=begin_delete,
)


def reserve(run: Run[DemoParams]) -> Done:
    note(run.tx, run.params.thing, "incoming")
    return Done()


def unreserve(run: Run[DemoParams]) -> Done:
    forget(run.tx, run.params.thing, "incoming")
    return Done()


def copy(run: Run[DemoParams]) -> Done | Wait:
    return _ensure(run, HostName("h2"))


def uncopy(run: Run[DemoParams]) -> Done | Wait:
    return _remove(run, HostName("h2"))


def switch(run: Run[DemoParams]) -> Done:
    run.ports.location[run.params.thing] = "h2"
    return Done()


def drop_source(run: Run[DemoParams]) -> Done | Wait:
    return _remove(run, HostName("h1"))


def settle(run: Run[DemoParams]) -> Done:
    forget(run.tx, run.params.thing, "incoming")
    note(run.tx, run.params.thing, "moved")
    return Done()


MOVE = Workflow(
    name="demo_move",
    version=1,
    params=DemoParams,
    steps=(
        Record("reserve", reserve, unreserve, "migrating", minutes(1)),
        Outside("copy", copy, uncopy, "migrating", minutes(10)),
        Outside("switch", switch, None, "migrating", minutes(1), commits=True),
        Outside("drop_source", drop_source, None, "migrating", minutes(5)),
        Record("settle", settle, None, None, minutes(1)),
    ),
    on_delete=begin_delete,
)


class DemoStage:
    """A thing on two hosts."""

    others = (DELETE,)

    def __init__(self, database: Database, workflow: Workflow[DemoParams]) -> None:
        self.database = database
        self.workflow = workflow
        self.thing = ServerId(str(uuid.uuid4()))
        self.hosts = FakeHosts("h1", "h2")
        self.ports = DemoPorts(database=database, compute=self.hosts)
        database.transact(lambda tx: METADATA.create_all(tx.connection))
        if workflow is not BUILD:
            self.hosts["h1"].guests[self.thing] = PowerState.RUNNING
            self.ports.location[self.thing] = "h1"

    def begin(self) -> OperationId:
        new = journal.NewOperation(
            workflow=self.workflow,
            subject_kind=THING,
            subject_id=self.thing,
            params=DemoParams(thing=self.thing),
            project_id="p",
            request_id="req-1",
            closes=self.workflow is MOVE,
            ends=self.workflow is DELETE,
        )
        return self.database.transact(lambda tx: journal.accept(tx, new))

    def check_success(self) -> None:
        wanted = {BUILD: ["active", "claim"], MOVE: ["moved"], DELETE: ["deleted"]}
        assert notes(self.database, self.thing) == wanted[self.workflow]
        where = self.hosts.with_guest(self.thing)
        if self.workflow is BUILD:
            assert len(where) == 1
            assert len(self.ports.objects) == 1
        elif self.workflow is MOVE:
            assert where == ["h2"]
            assert self.ports.location[self.thing] == "h2"
        else:
            assert where == []

    def check_clean(self) -> None:
        found = notes(self.database, self.thing)
        if self.workflow is BUILD:
            assert found in (["error"], ["cancelled"])
            assert self.hosts.with_guest(self.thing) == []
            assert self.ports.objects == set()
        else:
            assert found == []
            assert self.hosts.with_guest(self.thing) == ["h1"]
            assert self.ports.location[self.thing] == "h1"

    def check_deleted(self) -> None:
        assert notes(self.database, self.thing) == ["deleted"]
        assert self.hosts.with_guest(self.thing) == []
        assert self.ports.objects == set()


@dataclasses.dataclass(frozen=True)
class DemoScenario:
    """One of the three."""

    workflow: Workflow[DemoParams]

    @property
    def name(self) -> str:
        return self.workflow.name

    def build(self, database: Database) -> DemoStage:
        return DemoStage(database, self.workflow)


SCENARIOS = tuple(DemoScenario(workflow) for workflow in (BUILD, MOVE, DELETE))
