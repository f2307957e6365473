"""Rescue: a guest runs from another image for a while, its own disks beside it; unrescue: it is as before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Done, Outside, Record, Run, StepFailed, Transient, Wait, Workflow, minutes, seconds
from nova_lite.model.guest import GuestSpec, PowerState, Rescue
from nova_lite.model.ids import HostName, ImageId, ServerId
from nova_lite.model.image import KERNEL, Image, boot_names
from nova_lite.model.server import Server, ServerState, TaskState
from nova_lite.rpc.commands import Power, RescueGuest, UnrescueGuest
from nova_lite.servers import records
from nova_lite.workflows import delete
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.orders import direct_boot, image_for, notice_of, obeyed, spec_now
from nova_lite.workflows.ports import Ports

DEVICES = ("disk", "cdrom")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RescueParams:
    """Which guest boots from which image. `device` and `bus` as the image asks (model/guest.py, Rescue); `was_on`: before.

    boot: what it boots with, by the properties' names, as the user might use it when the rescue was accepted: an image's
        properties may since name what is not theirs. None: the operation was accepted before this was kept
    """

    server_id: ServerId
    host: HostName
    image_id: ImageId
    device: str | None = None
    bus: str | None = None
    boot: Mapping[str, str] | None = None
    was_on: bool = True
    admin_pass: str | None = dataclasses.field(default=None, metadata={"secret": True})  # emptied at the end


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnrescueParams:
    """Which guest is as before."""

    server_id: ServerId
    host: HostName


def boot_rescue(run: Run[RescueParams]) -> Done | Wait:
    """Have the guest run from the rescue image. Raises: StepFailed when the host could not, or an image is gone."""
    return obeyed(run, run.params.host, lambda head: RescueGuest(head=head, spec=_rescued(run)))


def _rescued(run: Run[RescueParams]) -> GuestSpec:
    ports: Ports = run.ports
    source = image_for(ports, run.params.image_id, run.params.host)
    with ports.database.read() as tx:
        server = records.get(tx, run.params.server_id)
        image = ports.images.find(tx, run.params.image_id) if run.params.boot is None else None
    boot = boot_unchecked(server, image) if run.params.boot is None else run.params.boot
    direct = direct_boot(ports, boot, run.params.host)
    spec = spec_now(ports, server, run.params.host, admin_pass=run.params.admin_pass)
    rescue = Rescue(image=source, device=run.params.device, bus=run.params.bus, direct=direct)
    return dataclasses.replace(spec, rescue=rescue)


def boots_itself(server: Server, image: Image) -> bool:
    """Tell whether a rescue image says how it is booted; else as the server is: its own image, an `ami` without a kernel."""
    return image.id != server.image_id and (image.disk_format != "ami" or bool(image.properties.get(KERNEL)))


def boot_unchecked(server: Server, image: Image | None) -> Mapping[str, str]:
    """Give what a rescue boots with that was accepted without a look at it: only what the server may use anyway.

    Raises: StepFailed when the image names something else.
    """
    if image is None or not boots_itself(server, image):
        return server.image_properties
    if boot_names(image.properties):
        raise StepFailed("Nobody has looked whether the image's kernel may be used: ask for the rescue again.", code=409)
    return {}


def boot_disk(run: Run[RescueParams]) -> Done | Wait:
    """Have the guest as it was before; where the host is down or has no guest there is nothing to bring back.

    Raises: Transient when the host could not.
    """
    ports: Ports = run.ports
    host, report = run.params.host, run.report()
    if report is not None and not report.ok and report.code != delete.NO_GUEST:
        raise Transient(report.message)
    standing = ports.hosts.look(host)
    if report is not None or standing is None or standing.lost:
        return Done()
    power = Power.ON if run.params.was_on else Power.OFF
    return obeyed(run, host, lambda head: UnrescueGuest(head=head, power=power))


def mark_rescued(run: Run[RescueParams]) -> Done:
    """Settle the server as RESCUED."""
    records.update(run.tx, run.params.server_id, state=ServerState.RESCUED, power_state=PowerState.RUNNING, fault=None)
    records.announce(run.tx, run.params.server_id, "rescue.end", notice_of(run))
    return Done()


def tell_failure(run: Run[RescueParams]) -> None:
    """Tell other services; the server is as it was, and the reason stands in its events."""
    records.announce(run.tx, run.params.server_id, "rescue.error", notice_of(run))


def leave_rescue(run: Run[UnrescueParams]) -> Done | Wait:
    """Have the guest run from its own disks."""
    return obeyed(run, run.params.host, lambda head: UnrescueGuest(head=head, power=Power.ON))


def mark_active(run: Run[UnrescueParams]) -> Done:
    """Settle the server as ACTIVE."""
    records.update(run.tx, run.params.server_id, state=ServerState.ACTIVE, power_state=PowerState.RUNNING)
    records.announce(run.tx, run.params.server_id, "unrescue.end", notice_of(run))
    return Done()


def tell_unrescue_failure(run: Run[UnrescueParams]) -> None:
    """Tell other services; the server stays rescued, and can be unrescued again."""
    records.announce(run.tx, run.params.server_id, "unrescue.error", notice_of(run))


RESCUE = Workflow(
    name="rescue",
    version=1,
    params=RescueParams,
    steps=(
        Outside("boot_rescue", boot_rescue, boot_disk, TaskState.RESCUING, minutes(30)),
        Record("mark_rescued", mark_rescued, None, TaskState.RESCUING, seconds(60)),
    ),
    on_failure=tell_failure,
    on_delete=delete.begin_after,
)
UNRESCUE = Workflow(
    name="unrescue",
    version=1,
    params=UnrescueParams,
    steps=(
        # No undo: half of it is a guest between two definitions, and asking again makes it whole.
        Outside("leave_rescue", leave_rescue, None, TaskState.UNRESCUING, minutes(10)),
        Record("mark_active", mark_active, None, TaskState.UNRESCUING, seconds(60)),
    ),
    on_failure=tell_unrescue_failure,
    on_delete=delete.begin_after,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RescueOrder:
    """What a user asks: the image, what it says of its device, and the password of the rescue system's administrator.

    boot: what the image is booted with, by the properties' names, all of it seen to be the user's to use; None: as the server
    """

    image_id: ImageId
    admin_pass: str
    device: str | None = None
    bus: str | None = None
    boot: Mapping[str, str] | None = None


def accept_rescue(desk: Desk, context: Context, server_id: ServerId, order: RescueOrder) -> None:
    """Accept a rescue. Raises: NotFound; Conflict when its state or a running operation does not allow it; BadRequest."""
    if order.device not in (None, *DEVICES):
        raise errors.BadRequest(f"A rescue image hangs on a server as {' or '.join(DEVICES)}, not as {order.device}.")

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "rescue")
        params = RescueParams(
            server_id=server_id,
            host=host_of(server),
            image_id=order.image_id,
            device=order.device,
            bus=order.bus,
            boot=boot_names(server.image_properties) if order.boot is None else order.boot,
            was_on=server.state is ServerState.ACTIVE,
            admin_pass=order.admin_pass if server.config_drive else None,
        )
        begin(desk, tx, context, Beginning(server=server, workflow=RESCUE, params=params, event="rescue", closes=True))

    desk.database.transact(work)


def accept_unrescue(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept the end of a rescue. Raises: NotFound; Conflict when its state or a running operation does not allow it."""

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "unrescue")
        params = UnrescueParams(server_id=server_id, host=host_of(server))
        begin(desk, tx, context, Beginning(server=server, workflow=UNRESCUE, params=params, event="unrescue", closes=True))

    desk.database.transact(work)
