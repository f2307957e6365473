"""Steps that bring a server's root disk into an image, as snapshots, backups and shelving have them.

The image's record is made when the request is accepted, and taken away (`discard_image`) in the transaction that ends an
operation which failed or was cancelled: nothing is left of it then, no half upload and nothing held on the host.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Done, Run, StepFailed, Transient, Wait, hours
from nova_lite.image.port import ImagePort
from nova_lite.model.ids import HostName, ImageId, ProjectId, ServerId
from nova_lite.model.image import Image, ImageStatus, Visibility
from nova_lite.model.server import Server, ServerState
from nova_lite.rpc.commands import Quiesce, ReleaseSnapshot, TakeSnapshot, UploadSnapshot
from nova_lite.workflows.orders import REPEAT_S, head, obeyed
from nova_lite.workflows.ports import Ports

UPLOAD_S = hours(6)  # the longest upload; its ticket is good for as long
FORMAT, CONTAINER = "qcow2", "bare"
# What is said of an image's bytes, and would be wrong of others.
NOT_INHERITED = ("img_signature", "owner_specified.", "os_hash_", "os_glance_", "cinder_encryption_key_")
COMPUTED = ("image_type", "instance_uuid", "backup_type", "base_image_ref", "user_id", "owner_id")
TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagingParams:
    """Whose disk, on which host, and the image that it goes into."""

    server_id: ServerId
    host: HostName
    image_id: ImageId
    quiesce: Quiesce = Quiesce.NO


def new_image(tx: Tx, images: ImagePort, context: Context, server: Server, name: str, properties: Mapping[str, str]) -> Image:
    """Make the record of an image of a server: queued, private, with what its own image said of the guest.

    `properties` come before what is inherited. Raises: TooLarge for too many properties.
    """
    base = images.find(tx, server.image_id) if server.image_id is not None else None
    now = tx.database.clock.wall()
    image = Image(
        id=ImageId(str(uuid.uuid4())),
        name=name,
        owner=ProjectId(context.project_id or server.project_id),
        status=ImageStatus.QUEUED,
        visibility=Visibility.PRIVATE,
        disk_format=FORMAT,
        container_format=CONTAINER,
        min_disk_gib=max(server.flavor.disk_gib, base.min_disk_gib if base is not None else 0),
        min_ram_mib=base.min_ram_mib if base is not None else 0,
        properties={**_inherited(server), **_computed(context, server), **properties},
        created_at=now,
        updated_at=now,
    )
    images.create(tx, image)
    return image


def _inherited(server: Server) -> dict[str, str]:
    return {
        name: value
        for name, value in server.image_properties.items()
        if not name.startswith(NOT_INHERITED) and name not in COMPUTED
    }


def _computed(context: Context, server: Server) -> dict[str, str]:
    found = {
        "image_type": "snapshot",
        "instance_uuid": server.id,
        "user_id": context.user_id or server.user_id,
        "owner_id": context.project_id or server.project_id,
        "image_location": "snapshot",
        "image_state": "available",
    }
    if server.image_id is not None:
        found["base_image_ref"] = server.image_id
    return found


def quiesce_of(server: Server) -> Quiesce:
    """Say whether the guest's agent is to help: as the properties of the server's image want it, and while it runs."""
    if server.state is not ServerState.ACTIVE:
        return Quiesce.NO
    if _is_true(server.image_properties.get("os_require_quiesce")):
        return Quiesce.MUST
    return Quiesce.TRY if _is_true(server.image_properties.get("hw_qemu_guest_agent")) else Quiesce.NO


def _is_true(value: str | None) -> bool:
    return value is not None and str(value).strip().lower() in TRUE


def check_image(run: Run[Any]) -> Done:
    """See that the image is still wanted. Raises: StepFailed when it was deleted meanwhile."""
    ports: Ports = run.ports
    if ports.images.find(run.tx, run.params.image_id) is None:
        raise _deleted()
    return Done()


def discard_image(run: Run[Any]) -> None:
    """Take the image away, with what came of it. May be repeated."""
    ports: Ports = run.ports
    ports.images.discard(run.tx, run.params.image_id)


def take_snapshot(run: Run[Any]) -> Done | Wait:
    """Have the host hold the disk as it is now."""
    params: ImagingParams = run.params
    return obeyed(run, params.host, lambda top: TakeSnapshot(head=top, quiesce=params.quiesce))


def release_snapshot(run: Run[Any]) -> Done | Wait:
    """Have the host hold nothing, and give up an upload that runs; a host that is lost does so when it returns.

    Raises: Transient when the host reports that it could not.
    """
    ports, params = run.ports, run.params
    report = run.report()
    if report is not None:
        if report.ok:
            return Done()
        raise Transient(report.message)
    standing = ports.hosts.look(params.host)
    if standing is None or standing.lost:
        return Done()
    ports.compute.order(params.host, ReleaseSnapshot(head=head(run, standing)))
    run.sent(params.host, "release_snapshot")
    return Wait(REPEAT_S, params.host)


def upload(run: Run[Any]) -> Done | Wait:
    """Have the host send what it holds; what a report that was lost has told shows in the image.

    Raises: StepFailed when the image was deleted, the image service refuses (full, too large), or the host is lost.
    """
    ports, params = run.ports, run.params
    report = run.report()
    if report is not None and report.ok:
        return Done()
    with ports.database.read() as tx:
        image = ports.images.find(tx, params.image_id)
    if image is None:
        raise _deleted()
    if image.status is ImageStatus.ACTIVE:  # it is there; only whether the host has let go is not known
        return release_snapshot(run)
    if report is not None:
        report.raise_if_fault()
    try:
        target = ports.images.target_for(params.image_id, params.host, valid_s=UPLOAD_S)
    except (errors.NotFound, errors.Conflict) as error:
        raise StepFailed(f"The image takes no data any more: {error.message}", code=error.status) from error
    return obeyed(run, params.host, lambda top: UploadSnapshot(head=top, target=target, quiesce=params.quiesce))


def _deleted() -> StepFailed:
    return StepFailed("The image was deleted before the server's disk was in it.", code=409)
