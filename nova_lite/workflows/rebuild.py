"""Rebuild: a server gets new disks from an image, and keeps its id, ports and place.

Everything that may fail without harm comes first: the image is brought to the host. With the record the old disk is given
up, and there is no way back: what fails then is an ERROR that another rebuild can cure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Done, Outside, Record, Run, StepFailed, Wait, Workflow, minutes, seconds
from nova_lite.model.guest import InjectedFile, PowerState
from nova_lite.model.ids import HostName, ImageId, ServerId
from nova_lite.model.server import Fault, Server, ServerState, TaskState
from nova_lite.rpc.commands import CommandHead, FetchImage, Power, RebuildGuest
from nova_lite.servers import records
from nova_lite.workflows import delete
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.orders import direct_boot, image_for, notice_of, obeyed, spec_now
from nova_lite.workflows.ports import Ports

TRIES = 3  # how often a host is asked for the new guest before the server is settled as ERROR


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewRecord:
    """What the server's record is to say: everything that a rebuild may change, changed or not."""

    name: str
    hostname: str
    description: str | None
    image_id: ImageId
    image_properties: Mapping[str, str]
    metadata: Mapping[str, str]
    key_name: str | None
    key_type: str | None
    key_data: str | None
    disk_config: str
    access_ip_v4: str | None
    access_ip_v6: str | None
    config_drive: bool
    user_data: str | None = dataclasses.field(default=None, metadata={"secret": True})  # emptied at the end
    files: tuple[InjectedFile, ...] = dataclasses.field(default=(), metadata={"secret": True})


@dataclasses.dataclass(frozen=True, kw_only=True)
class RebuildParams:
    """Which guest is made anew, and as what. `on`: it runs afterwards."""

    server_id: ServerId
    host: HostName
    image_id: ImageId
    on: bool
    preserve_ephemeral: bool = False
    changes: NewRecord | None = dataclasses.field(default=None, metadata={"secret": True})  # user data and files in it
    admin_pass: str | None = dataclasses.field(default=None, metadata={"secret": True})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """How it went on the host: None, or what the owner is told."""

    problem: str | None = None


def fetch_image(run: Run[RebuildParams]) -> Done | Wait:
    """Have the image on the host, and what it boots with. Raises: StepFailed when one is gone, or the host could not get it."""
    host, image_id, changes = run.params.host, run.params.image_id, run.params.changes

    def command(head: CommandHead) -> FetchImage:
        direct = None if changes is None else direct_boot(run.ports, changes.image_properties, host)
        more = () if direct is None else direct.images
        return FetchImage(head=head, image=image_for(run.ports, image_id, host), more=more)

    return obeyed(run, host, command)


def write_record(run: Run[RebuildParams]) -> Done:
    """Have the record say what the server is from now on."""
    changes = run.params.changes
    if changes is not None:
        records.update(run.tx, run.params.server_id, flat_disk=False, **{name: getattr(changes, name) for name in CHANGED})
    return Done()


def rebuild_guest(run: Run[RebuildParams]) -> Done | Wait:
    """Have the host make the guest anew; a host that cannot, or is lost, is no reason to go on for ever."""
    ports: Ports = run.ports
    host, report = run.params.host, run.report()
    if report is not None and (report.ok or run.attempt >= TRIES or not report.host_at_fault):
        return Done(Rebuilt(problem=None if report.ok else report.message))
    standing = ports.hosts.look(host)
    if report is None and (standing is None or standing.lost):
        return Done(Rebuilt(problem="The host was lost while it rebuilt the server."))
    try:
        return obeyed(run, host, lambda head: _command(run, head))
    except StepFailed as error:
        if report is None:  # the image is gone meanwhile
            return Done(Rebuilt(problem=error.message))
        raise


def _command(run: Run[RebuildParams], head: CommandHead) -> RebuildGuest:
    ports: Ports = run.ports
    with ports.database.read() as tx:
        server = records.get(tx, run.params.server_id)
    spec = spec_now(ports, server, run.params.host, admin_pass=run.params.admin_pass)
    return RebuildGuest(
        head=head,
        spec=spec,
        power=Power.ON if run.params.on else Power.OFF,
        keep_blanks=run.params.preserve_ephemeral,
    )


def settle(run: Run[RebuildParams]) -> Done:
    """Settle the server as it was asked, or as ERROR with a fault its owner can read."""
    server_id, problem, wall = run.params.server_id, run.out(Rebuilt).problem, run.tx.database.clock.wall()
    if problem is not None:
        fault = Fault(code=500, message=problem, details=None, created_at=wall)
        records.update(run.tx, server_id, state=ServerState.ERROR, fault=fault)
        records.announce(
            run.tx, server_id, "rebuild.error", dataclasses.replace(notice_of(run), fault=("rebuild_guest", problem))
        )
        return Done()
    state, power = (ServerState.ACTIVE, PowerState.RUNNING) if run.params.on else (ServerState.STOPPED, PowerState.SHUTDOWN)
    records.update(run.tx, server_id, state=state, power_state=power, fault=None, launched_at=wall)
    records.announce(run.tx, server_id, "rebuild.end", notice_of(run))
    return Done()


def tell_failure(run: Run[RebuildParams]) -> None:
    """Tell other services; nothing was changed, and the reason stands in the server's events."""
    records.announce(run.tx, run.params.server_id, "rebuild.error", notice_of(run))


CHANGED = tuple(field.name for field in dataclasses.fields(NewRecord))
REBUILD = Workflow(
    name="rebuild",
    version=1,
    params=RebuildParams,
    steps=(
        # No undo: an image in the cache harms nobody.
        Outside("fetch_image", fetch_image, None, TaskState.REBUILDING, minutes(30)),
        # From here on there is no way back: the old disk is dropped.
        Record("write_record", write_record, None, TaskState.REBUILDING, seconds(60), commits=True),
        Outside("rebuild_guest", rebuild_guest, None, TaskState.REBUILD_SPAWNING, minutes(30), commits=True),
        Record("settle", settle, None, TaskState.REBUILD_SPAWNING, seconds(60), commits=True),
    ),
    on_failure=tell_failure,
    on_delete=delete.begin_after,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RebuildOrder:
    """A rebuild that the API found to be in order: the server as it is to be."""

    server: Server
    admin_pass: str
    preserve_ephemeral: bool = False


def accept(desk: Desk, context: Context, order: RebuildOrder) -> None:
    """Accept a rebuild. Raises: NotFound; Conflict when its state or a running operation does not allow it."""
    wanted = order.server
    changes = NewRecord(**{name: getattr(wanted, name) for name in CHANGED})

    def work(tx: Tx) -> None:
        server = ready(tx, wanted.id, "rebuild")
        params = RebuildParams(
            server_id=server.id,
            host=host_of(server),
            image_id=changes.image_id,
            on=server.state is not ServerState.STOPPED,
            preserve_ephemeral=order.preserve_ephemeral,
            changes=changes,
            admin_pass=order.admin_pass if wanted.config_drive else None,
        )
        begin(desk, tx, context, Beginning(server=server, workflow=REBUILD, params=params, event="rebuild", closes=True))

    desk.database.transact(work)
