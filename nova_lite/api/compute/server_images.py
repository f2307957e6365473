"""Images of servers: snapshots and backups."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nova_lite import errors
from nova_lite.api.compute.lookup import server_of
from nova_lite.api.image import fields
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.model.ids import ImageId
from nova_lite.model.server import Server
from nova_lite.quota import usage
from nova_lite.quota.limits import UNLIMITED
from nova_lite.workflows import snapshot
from nova_lite.workflows.snapshot import BackupOrder, SnapshotOrder

COUNTED = ByVersion({"2.1": True, "2.39": False})  # whether the project's limit of metadata holds for images


def _with_location(request: Request, image_id: ImageId) -> Answer:
    return Answer(status=202, headers={"Location": f"{request.url_root}/image/v2/images/{image_id}"})


def _with_id(_request: Request, image_id: ImageId) -> Answer:
    return Answer(status=202, body={"image_id": image_id})


TAKEN: ByVersion[Callable[[Request, ImageId], Answer]] = ByVersion({"2.1": _with_location, "2.45": _with_id})


def create_image(request: Request) -> Answer:
    """Accept a snapshot. A lock does not hold it off: it keeps a server from being changed, and this changes none."""
    asked = request.body["createImage"]
    metadata = asked.get("metadata", {})
    server = _server(request, metadata)
    order = SnapshotOrder(server_id=server.id, name=asked["name"], metadata=metadata)
    parts = request.parts
    image_id = snapshot.accept_snapshot(parts.desk, parts.images, request.context, order)
    return TAKEN.at(request.version)(request, image_id)


def create_backup(request: Request) -> Answer:
    """Accept a backup; with a rotation of 0 none is kept, so none is named."""
    asked = request.body["createBackup"]
    metadata = asked.get("metadata", {})
    server = _server(request, metadata)
    order = BackupOrder(
        server_id=server.id,
        name=asked["name"],
        metadata=metadata,
        backup_type=asked["backup_type"],
        rotation=int(asked["rotation"]),
    )
    parts = request.parts
    image_id = snapshot.accept_backup(parts.desk, parts.images, request.context, order)
    return TAKEN.at(request.version)(request, image_id) if order.rotation else Answer(status=202)


def _server(request: Request, metadata: Mapping[str, str]) -> Server:
    """Read the server, and see that the image may have these properties. Raises: NotFound; Forbidden; OverQuota."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
        limit = usage.limits_of(tx, request.context.project_id or "")["metadata_items"]
    if COUNTED.at(request.version) and limit != UNLIMITED and len(metadata) > limit:
        raise errors.OverQuota(f"Maximum number of metadata items exceeds {limit}")
    fields.require_free(sorted(metadata))
    return server
