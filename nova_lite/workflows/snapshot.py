"""Snapshot and backup: the disk of a server goes into an image while the server goes on. What fails leaves no image."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Done, Outside, Record, Run, Workflow, minutes, seconds
from nova_lite.image.port import ImagePort
from nova_lite.model.ids import ImageId, ProjectId, ServerId
from nova_lite.model.server import TaskState
from nova_lite.servers import records
from nova_lite.workflows import delete, imaging
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.imaging import UPLOAD_S, ImagingParams
from nova_lite.workflows.orders import notice_of
from nova_lite.workflows.ports import Ports

EVENT = "snapshot"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SnapshotParams(ImagingParams):
    """What a snapshot needs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackupParams(ImagingParams):
    """The same, and how many backups of the type are kept, in which project."""

    backup_type: str
    rotation: int
    owner: ProjectId


@dataclasses.dataclass(frozen=True, kw_only=True)
class SnapshotOrder:
    """What a request asks: the image's name, and properties of its own."""

    server_id: ServerId
    name: str
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackupOrder(SnapshotOrder):
    """A backup: so many of its type are kept."""

    backup_type: str
    rotation: int


def rotate(run: Run[BackupParams]) -> Done:
    """Delete the oldest backups of the type, now that the new one is there; one that is protected stays, and counts."""
    ports: Ports = run.ports
    wanted = {"image_type": "backup", "backup_type": run.params.backup_type, "instance_uuid": run.params.server_id}
    backups = ports.images.list_own(run.tx, run.params.owner, wanted)
    gone = [image.id for image in backups[run.params.rotation :] if ports.images.discard(run.tx, image.id)]
    if gone:
        run.note(f"{len(gone)} older backups were deleted")
    _tell_end(run)
    return Done()


def finish(run: Run[SnapshotParams]) -> Done:
    """Tell other services."""
    _tell_end(run)
    return Done()


def _tell_end(run: Run[Any]) -> None:
    records.announce(run.tx, run.params.server_id, f"{EVENT}.end", notice_of(run))


def tell_failure(run: Run[Any]) -> None:
    """Leave no image, and tell other services; the server is as it was, and the reason stands in its events."""
    imaging.discard_image(run)
    records.announce(run.tx, run.params.server_id, f"{EVENT}.error", notice_of(run))


SNAPSHOT = Workflow(
    name="snapshot",
    version=1,
    params=SnapshotParams,
    steps=(
        #        name             do                      undo                      shown as                       deadline
        Record("check_image", imaging.check_image, None, TaskState.SNAPSHOT_PENDING, seconds(60)),  # reads only
        Outside("take_snapshot", imaging.take_snapshot, imaging.release_snapshot, TaskState.SNAPSHOT, minutes(10)),
        Record("open_upload", imaging.check_image, None, TaskState.SNAPSHOT_UPLOAD_PENDING, seconds(60)),  # reads only
        # No undo of its own: that of take_snapshot ends the upload on the host; the image goes with the operation's end.
        Outside("upload", imaging.upload, None, TaskState.SNAPSHOT_UPLOADING, UPLOAD_S),
        Record("finish", finish, None, TaskState.SNAPSHOT_UPLOADING, seconds(60)),  # the last
    ),
    on_failure=tell_failure,
    on_cancel=imaging.discard_image,
    on_delete=delete.begin_after,
)

BACKUP = Workflow(
    name="backup",
    version=1,
    params=BackupParams,
    steps=(
        Record("check_image", imaging.check_image, None, TaskState.BACKUP, seconds(60)),
        Outside("take_snapshot", imaging.take_snapshot, imaging.release_snapshot, TaskState.BACKUP, minutes(10)),
        Record("open_upload", imaging.check_image, None, TaskState.SNAPSHOT_UPLOAD_PENDING, seconds(60)),
        Outside("upload", imaging.upload, None, TaskState.SNAPSHOT_UPLOADING, UPLOAD_S),
        # The new backup is there: from here on it stays.
        Record("rotate", rotate, None, TaskState.BACKUP, seconds(60), commits=True),
    ),
    on_failure=tell_failure,
    on_cancel=imaging.discard_image,
    on_delete=delete.begin_after,
)


def accept_snapshot(desk: Desk, images: ImagePort, context: Context, order: SnapshotOrder) -> ImageId:
    """Accept a snapshot; the image is there at once, queued.

    Raises: NotFound; Conflict when the server's state or a running operation does not allow it; TooLarge.
    """

    def work(tx: Tx) -> ImageId:
        return _accept(desk, tx, context, order, _Kind("createImage", SNAPSHOT, images, order.metadata, _snapshot_params))

    return desk.database.transact(work)


def accept_backup(desk: Desk, images: ImagePort, context: Context, order: BackupOrder) -> ImageId:
    """Accept a backup. Raises: as `accept_snapshot`."""
    properties = {
        **order.metadata,
        "image_type": "backup",
        "backup_type": order.backup_type,
        "instance_uuid": order.server_id,
    }

    def params(common: ImagingParams, owner: ProjectId) -> BackupParams:
        return BackupParams(**vars(common), backup_type=order.backup_type, rotation=order.rotation, owner=owner)

    def work(tx: Tx) -> ImageId:
        return _accept(desk, tx, context, order, _Kind("createBackup", BACKUP, images, properties, params))

    return desk.database.transact(work)


@dataclasses.dataclass(frozen=True)
class _Kind:
    """What differs between the two."""

    action: str
    workflow: Workflow[Any]
    images: ImagePort
    properties: Mapping[str, str]
    params: Callable[[ImagingParams, ProjectId], ImagingParams]


def _snapshot_params(common: ImagingParams, _owner: ProjectId) -> SnapshotParams:
    return SnapshotParams(**vars(common))


def _accept(desk: Desk, tx: Tx, context: Context, order: SnapshotOrder, kind: _Kind) -> ImageId:
    server = ready(tx, order.server_id, kind.action)
    host = host_of(server)
    image = imaging.new_image(tx, kind.images, context, server, order.name, kind.properties)
    common = ImagingParams(server_id=server.id, host=host, image_id=image.id, quiesce=imaging.quiesce_of(server))
    params = kind.params(common, image.owner or ProjectId(server.project_id))
    begin(desk, tx, context, Beginning(server=server, workflow=kind.workflow, params=params, event=EVENT))
    return image.id
