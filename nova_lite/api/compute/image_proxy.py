"""Images as clients saw them before they asked the Image API itself (up to 2.35; their metadata up to 2.38)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from nova_lite import errors
from nova_lite.api import pages
from nova_lite.api.compute import links, times
from nova_lite.api.image import fields
from nova_lite.api.image.lookup import guard_of
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.db.images import ImageFilter, ImagePage
from nova_lite.image import lending, records
from nova_lite.image.access import is_own, viewer_of
from nova_lite.image.protections import READ
from nova_lite.model.image import Image, ImageStatus
from nova_lite.quota import usage
from nova_lite.quota.limits import UNLIMITED

View = dict[str, Any]
STATUS = {ImageStatus.ACTIVE: "ACTIVE", ImageStatus.QUEUED: "SAVING", ImageStatus.SAVING: "SAVING"}
PROGRESS = {"ACTIVE": 100, "SAVING": 50}
OTHER_STATUS = "UNKNOWN"
OF_STATUS = {"ACTIVE": (ImageStatus.ACTIVE,), "SAVING": (ImageStatus.QUEUED, ImageStatus.SAVING)}


def _short(request: Request, image: Image) -> View:
    return {"id": image.id, "name": image.name, "links": links.both(request, "images", image.id)}


def _full(request: Request, image: Image) -> View:
    status = STATUS.get(image.status, OTHER_STATUS)
    return _short(request, image) | {
        "status": status,
        "progress": PROGRESS.get(status, 0),
        "created": times.iso(image.created_at),
        "updated": times.iso(image.updated_at),
        "minDisk": image.min_disk_gib,
        "minRam": image.min_ram_mib,
        "metadata": dict(guard_of(request).visible(image).properties),
        "OS-EXT-IMG-SIZE:size": image.size_bytes,
    }


def list_images(request: Request) -> Answer:
    """List names and ids."""
    return _listed(request, "/images", _short)


def list_details(request: Request) -> Answer:
    """List images whole."""
    return _listed(request, "/images/detail", _full)


def _listed(request: Request, path: str, view: Callable[[Request, Image], View]) -> Answer:
    page = pages.read_page(request)
    with request.parts.database.read() as tx:
        try:
            found = records.list_page(tx, _filter(request), ImagePage(marker=page.marker, limit=page.fetch))
        except errors.NotFound as error:
            raise errors.BadRequest(f"marker [{page.marker}] not found") from error
    shown, more = pages.cut(page, found)
    body: View = {"images": [view(request, image) for image in shown]}
    if more:
        body["images_links"] = pages.next_links(request, path, shown[-1].id)
    return Answer(body=body)


def _filter(request: Request) -> ImageFilter:
    """Read what images are wanted; what the older API did not know is left alone."""
    viewer = viewer_of(request.context)
    among: dict[str, tuple[str, ...]] = {}
    name, status = request.first("name"), request.first("status")
    if name is not None:
        among["name"] = (name,)
    if status is not None:
        among["status"] = tuple(OF_STATUS.get(status.upper(), (status.lower(),)))
    properties = {}
    server, kind = request.first("server"), request.first("type")
    if server is not None:
        properties["instance_uuid"] = server.rpartition("/")[2]  # an id, or a link to it
    if kind is not None:
        properties["image_type"] = kind
    if any(not guard_of(request).allows(READ, name) for name in properties):
        among["id"] = ()
    return ImageFilter(project_id=viewer.project_id, sees_all=viewer.sees_all, among=among, properties=properties)


def _image(request: Request, tx: Tx, *, lock: bool = False) -> Image:
    return records.get(tx, request.params["image_id"], viewer_of(request.context), lock=lock)


def _own_image(request: Request, tx: Tx, *, lock: bool = True) -> Image:
    """Read an image that the caller may change. Raises: NotFound; Forbidden."""
    image = _image(request, tx, lock=lock)
    if not (request.context.is_admin or is_own(image, viewer_of(request.context))):
        raise errors.Forbidden("You are not allowed to change this image.")
    return image


def show_image(request: Request) -> Answer:
    """Show one."""
    with request.parts.database.read() as tx:
        return Answer(body={"image": _full(request, _image(request, tx))})


def delete_image(request: Request) -> Answer:
    """Delete one of the project's own."""
    find = partial(_own_image, request, lock=False)
    lending.require_unused(request.parts.images.store, request.parts.database, find)

    def work(tx: Tx) -> None:
        image = _own_image(request, tx)
        request.parts.images.delete(tx, image)

    request.parts.database.transact(work)
    return Answer(status=204)


# -- metadata --------------------------------------------------------------------------------------------------------


def list_metadata(request: Request) -> Answer:
    """Show all properties."""
    with request.parts.database.read() as tx:
        return Answer(body={"metadata": dict(_seen(request, tx).properties)})


def _seen(request: Request, tx: Tx) -> Image:
    return guard_of(request).visible(_image(request, tx))


def show_item(request: Request) -> Answer:
    """Show one."""
    with request.parts.database.read() as tx:
        return Answer(body={"meta": _item(request, _seen(request, tx).properties)})


def _item(request: Request, properties: Mapping[str, str]) -> dict[str, str]:
    key = request.params["key"]
    if key not in properties:
        raise errors.NotFound("Metadata item was not found")
    return {key: properties[key]}


def add_metadata(request: Request) -> Answer:
    """Add or change some."""
    return Answer(body={"metadata": _change(request, lambda old: {**old, **request.body["metadata"]})})


def replace_metadata(request: Request) -> Answer:
    """Replace all."""
    return Answer(body={"metadata": _change(request, lambda _old: dict(request.body["metadata"]))})


def set_item(request: Request) -> Answer:
    """Add or change one; path and body must name the same."""
    if request.params["key"] not in request.body["meta"]:
        raise errors.BadRequest("Request body and URI mismatch")
    _change(request, lambda old: {**old, **request.body["meta"]})
    return Answer(body={"meta": request.body["meta"]})


def remove_item(request: Request) -> Answer:
    """Remove one."""

    def change(old: Mapping[str, str]) -> dict[str, str]:
        gone = _item(request, old)
        return {key: value for key, value in old.items() if key not in gone}

    _change(request, change)
    return Answer(status=204)


def _change(request: Request, change: Callable[[Mapping[str, str]], dict[str, str]]) -> dict[str, str]:
    def work(tx: Tx) -> dict[str, str]:
        image = _own_image(request, tx)
        guard = guard_of(request)
        seen = guard.visible(image).properties
        changed = change(seen)
        fields.require_free(changed.keys() - seen.keys())
        guard.check_change(seen, changed)
        limit = usage.limits_of(tx, request.context.project_id or "")["metadata_items"]
        if limit != UNLIMITED and len(changed) > limit:
            raise errors.OverQuota(f"Maximum number of metadata items exceeds {limit}")
        hidden = {name: value for name, value in image.properties.items() if name not in seen}
        records.update(tx, image, dataclasses.replace(image, properties=hidden | changed))
        return changed

    return request.parts.database.transact(work)
