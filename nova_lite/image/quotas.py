"""What a project may have of images, by the limits registered in Identity for the image service, and what it has.

They are looked at when a request begins; requests at the same moment may together go a little over them, as in Glance.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nova_lite import errors
from nova_lite.db import identity, image_usage
from nova_lite.db import images as db
from nova_lite.db import limits as limit_rows
from nova_lite.db.engine import Tx
from nova_lite.image import usage
from nova_lite.quota.limits import UNLIMITED

SERVICE = "image"  # the type in the catalog
SIZE, STAGE, COUNT, UPLOADING = "image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"
DOWNLOADS, SENT = "image_count_downloads", "image_sent_total"
KEPT = "image_store_total:{}"  # with the store's name
RESOURCES = (SIZE, STAGE, COUNT, UPLOADING)  # sizes in MiB


def limits_of(tx: Tx, project_id: str) -> dict[str, int]:
    """Give the limit of each resource; -1 is none."""
    services = [one.id for one in identity.SERVICES.list_by(tx, type=SERVICE)]
    registered = limit_rows.REGISTERED.list_by(tx, service_id=services, resource_name=list(RESOURCES)) if services else []
    own = {one.registered_limit_id: one.resource_limit for one in limit_rows.LIMITS.list_by(tx, project_id=project_id)}
    found = {one.resource_name: own.get(one.id, one.default_limit) for one in registered}
    return {name: found.get(name, UNLIMITED) for name in RESOURCES}


def usage_of(tx: Tx, project_id: str) -> dict[str, int]:
    """Give what a project has of each resource."""
    counted = db.usage(tx, project_id)
    staged = sum(int(contents["size_bytes"]) for contents in db.staged(tx, project_id))
    return {
        SIZE: mebibytes(counted.size_bytes),
        STAGE: mebibytes(staged),
        COUNT: counted.images,
        UPLOADING: counted.uploading,
    }


def monitored(tx: Tx, project_id: str, stores: Collection[str]) -> dict[str, int]:
    """Give what is counted of a project's images and never limited.

    That is: downloads, and the MiB that were sent, and that each store has, where every copy counts.
    """
    downloads, sent_bytes = image_usage.sums(tx, project_id)
    kept = {KEPT.format(name): mebibytes(size) for name, size in usage.by_store(tx, stores, project_id).items()}
    return {DOWNLOADS: downloads, SENT: mebibytes(sent_bytes)} | kept


def require(tx: Tx, project_id: str | None, wanted: Mapping[str, int]) -> None:
    """See that a project may have so much more. Raises: OverQuota."""
    if project_id is None:
        return
    limits = {name: limit for name, limit in limits_of(tx, project_id).items() if name in wanted and limit != UNLIMITED}
    if not limits:
        return
    used = usage_of(tx, project_id)
    for name, limit in limits.items():
        if used[name] + wanted[name] > limit:
            raise errors.OverQuota(
                f"Project {project_id} is over a limit for {name}: {limit} allowed, {used[name]} used, {wanted[name]} asked."
            )


def mebibytes(size_bytes: int) -> int:
    """Give the whole MiB that hold so many bytes."""
    return -(-size_bytes // (1 << 20))
