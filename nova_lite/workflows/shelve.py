"""Shelve: a server's disk goes into an image, then the server leaves its host; it keeps its ports, addresses and quota.

    ACTIVE, STOPPED...  --shelve-->  SHELVED (still on its host, off)  --shelve_offload-->  SHELVED_OFFLOADED (on none)

How long lies between the two is the operator's choice (conf/shelving.py); with 0 the shelving goes through to the end.
"""

from __future__ import annotations

import dataclasses

from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable import journal
from nova_lite.durable.workflow import Done, Outside, Record, Run, Wait, Workflow, minutes, seconds
from nova_lite.image.port import ImagePort
from nova_lite.inventory import claims
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import HostName, OperationId, ServerId
from nova_lite.model.server import Server, ServerState, TaskState
from nova_lite.rpc.commands import EnsurePower, Power
from nova_lite.servers import records
from nova_lite.workflows import delete, imaging
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import SERVER, Desk
from nova_lite.workflows.imaging import UPLOAD_S, ImagingParams
from nova_lite.workflows.orders import REPEAT_S, head, notice_of, obeyed, remove_from
from nova_lite.workflows.ports import Ports

GRACEFUL_S = 60.0
NAME_LENGTH = 255


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShelveParams(ImagingParams):
    """What shelving needs; `was_running`: what failed turns it on again."""

    was_running: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class OffloadParams:
    """Who leaves which host."""

    server_id: ServerId
    host: HostName


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shelved:
    """Whether the server leaves its host at once."""

    offload: bool


def power_off(run: Run[ShelveParams]) -> Done | Wait:
    """Have the guest off, so that its disk is at rest."""
    return obeyed(run, run.params.host, lambda top: EnsurePower(head=top, power=Power.OFF, graceful_s=GRACEFUL_S))


def power_back_on(run: Run[ShelveParams]) -> Done | Wait:
    """Have a guest that ran running again; one that cannot be is told by the power-state reconciler."""
    ports, host = run.ports, run.params.host
    standing = ports.hosts.look(host)
    if not run.params.was_running or run.report() is not None or standing is None or standing.lost:
        return Done()
    ports.compute.order(host, EnsurePower(head=head(run, standing), power=Power.ON))
    run.sent(host, "ensure_power")
    return Wait(REPEAT_S, host)


def mark_shelved(run: Run[ShelveParams]) -> Done:
    """Settle the server as SHELVED: from here on the image has its disk."""
    ports: Ports = run.ports
    records.update(
        run.tx,
        run.params.server_id,
        state=ServerState.SHELVED,
        power_state=PowerState.SHUTDOWN,
        shelved_image_id=run.params.image_id,
        shelved_at=run.tx.database.clock.wall(),
        fault=None,
    )
    records.announce(run.tx, run.params.server_id, "shelve.end", notice_of(run))
    return Done(Shelved(offload=ports.shelved_offload_s == 0))


def leave_host(run: Run[ShelveParams]) -> Done | Wait:
    """Have the host remove the guest, when the server is to leave it at once."""
    return remove_from(run, run.params.host) if run.out(Shelved).offload else Done()


def mark_left(run: Run[ShelveParams]) -> Done:
    """Settle the server as being nowhere, if it left its host."""
    if run.out(Shelved).offload:
        _mark_offloaded(run.tx, run.params.server_id)
        records.announce(run.tx, run.params.server_id, "shelve_offload.end", notice_of(run))
    return Done()


def remove_guest(run: Run[OffloadParams]) -> Done | Wait:
    """Have the host remove the guest; a host that is down is left a tombstone."""
    return remove_from(run, run.params.host)


def mark_offloaded(run: Run[OffloadParams]) -> Done:
    """Settle the server as being nowhere."""
    _mark_offloaded(run.tx, run.params.server_id)
    records.announce(run.tx, run.params.server_id, "shelve_offload.end", notice_of(run))
    return Done()


def _mark_offloaded(tx: Tx, server_id: ServerId) -> None:
    """Give the host's room back; the quota stays the server's."""
    claims.release(tx, server_id)
    records.update(tx, server_id, state=ServerState.SHELVED_OFFLOADED, power_state=PowerState.NOSTATE, host=None)


def tell_failure(run: Run[ShelveParams]) -> None:
    """Leave no image, and tell other services; the server is as it was, and the reason stands in its events."""
    imaging.discard_image(run)
    records.announce(run.tx, run.params.server_id, "shelve.error", notice_of(run))


SHELVE = Workflow(
    name="shelve",
    version=1,
    params=ShelveParams,
    steps=(
        #        name             do                      undo             shown as                          deadline
        Record("check_image", imaging.check_image, None, TaskState.SHELVING, seconds(60)),  # reads only
        Outside("power_off", power_off, power_back_on, TaskState.SHELVING, minutes(5)),
        Outside("take_snapshot", imaging.take_snapshot, imaging.release_snapshot, TaskState.SHELVING, minutes(10)),
        Record("open_upload", imaging.check_image, None, TaskState.SHELVING_UPLOAD_PENDING, seconds(60)),
        # No undo of its own: that of take_snapshot ends the upload on the host; the image goes with the operation's end.
        Outside("upload", imaging.upload, None, TaskState.SHELVING_UPLOADING, UPLOAD_S),
        # The image is whole: from here on it is the server's.
        Record("mark_shelved", mark_shelved, None, TaskState.SHELVING_UPLOADING, seconds(60), commits=True),
        Outside("leave_host", leave_host, None, TaskState.SHELVING_OFFLOADING, minutes(10), commits=True),
        Record("mark_left", mark_left, None, TaskState.SHELVING_OFFLOADING, seconds(60), commits=True),
    ),
    on_failure=tell_failure,
    on_cancel=imaging.discard_image,
    on_delete=delete.begin_after,
)

OFFLOAD = Workflow(
    name="shelve_offload",
    version=1,
    params=OffloadParams,
    steps=(
        # The image has the disk, so there is nothing to turn back to.
        Outside("remove_guest", remove_guest, None, TaskState.SHELVING_OFFLOADING, minutes(10), commits=True),
        Record("mark_offloaded", mark_offloaded, None, TaskState.SHELVING_OFFLOADING, seconds(60), commits=True),
    ),
    on_delete=delete.begin_after,
)


def accept(desk: Desk, images: ImagePort, context: Context, server_id: ServerId) -> None:
    """Accept shelving. Raises: NotFound; Conflict when its state or a running operation does not allow it."""

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "shelve")
        host = host_of(server)
        suffix = "-shelved"
        name = server.name[: NAME_LENGTH - len(suffix)] + suffix
        image = imaging.new_image(tx, images, context, server, name, {})
        running = server.state is ServerState.ACTIVE
        params = ShelveParams(server_id=server.id, host=host, image_id=image.id, was_running=running)
        begin(desk, tx, context, Beginning(server=server, workflow=SHELVE, params=params, event="shelve", closes=True))

    desk.database.transact(work)


def accept_offload(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept that a shelved server leaves its host. Raises: as `accept`."""

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "shelveOffload")
        params = OffloadParams(server_id=server.id, host=host_of(server))
        event = "shelve_offload"
        begin(desk, tx, context, Beginning(server=server, workflow=OFFLOAD, params=params, event=event, closes=True))

    desk.database.transact(work)


def begin_offload(tx: Tx, server: Server) -> OperationId | None:
    """Have a shelved server leave its host since its time is over, unless something is being done to it."""
    if server.state is not ServerState.SHELVED or server.live is not None or server.host is None:
        return None
    return journal.accept(
        tx,
        journal.NewOperation(
            workflow=OFFLOAD,
            subject_kind=SERVER,
            subject_id=server.id,
            params=OffloadParams(server_id=server.id, host=server.host),
            project_id=server.project_id,
            closes=True,
        ),
    )
