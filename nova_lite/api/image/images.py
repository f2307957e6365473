"""Images."""

from __future__ import annotations

import dataclasses
import urllib.parse
import uuid
from typing import Any

from nova_lite import errors
from nova_lite.api.body import media_type
from nova_lite.api.image import fields, filters, patch
from nova_lite.api.image.imports import methods
from nova_lite.api.image.lookup import get_image, guard_of, require_unused, target_of
from nova_lite.api.image.views import images as views
from nova_lite.api.pages import cut, next_query
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.db.images import ImagePage
from nova_lite.image import copies, quotas, records
from nova_lite.model.ids import ImageId
from nova_lite.model.image import Image, ImageStatus, Visibility
from nova_lite.workflows import import_image

PATH = "/v2/images"
VISIBILITY_RULES = {Visibility.PUBLIC: "publicize_image", Visibility.COMMUNITY: "communitize_image"}
FORMATS = ("disk_format", "container_format")


def list_images(request: Request) -> Answer:
    """GET /images."""
    guard = guard_of(request)
    wanted = filters.read_filter(request, guard)
    page = filters.read_images_page(request)
    asked = ImagePage(sort=filters.read_sort(request), marker=page.marker, limit=page.fetch)
    try:
        with request.parts.database.read() as tx:
            found = records.list_page(tx, wanted, asked) if page.limit else []
            held = copies.of_images(tx, [image.id for image in found])
    except errors.NotFound as error:
        raise errors.BadRequest("The marker is no image that you may see.") from error
    shown, more = cut(page, found)
    body: dict[str, Any] = {
        "images": [views.image(guard.visible(image), held.get(image.id, ())) for image in shown],
        "schema": "/v2/schemas/images",
    }
    body["first"] = _first(request)
    if more:
        body["next"] = f"{PATH}?{next_query(request, shown[-1].id)}"
    return Answer(body=body)


def show_image(request: Request) -> Answer:
    """GET /images/{image_id}."""
    with request.parts.database.read() as tx:
        image = get_image(tx, request)
        return Answer(body=views.image(guard_of(request).visible(image), copies.of_image(tx, image.id)))


def create_image(request: Request) -> Answer:
    """POST /images."""
    image = new_image(request, request.body)

    def work(tx: Tx) -> None:
        check_room(tx, image)
        records.create(tx, image)

    request.parts.database.transact(work)
    headers = {
        "Location": f"{request.service_url}/images/{image.id}",
        "OpenStack-image-store-ids": ",".join(store.name for store in request.parts.images.store.all()),
        "OpenStack-image-import-methods": ",".join(methods(request.parts.images.web)),
    }
    return Answer(status=201, body=views.image(guard_of(request).visible(image)), headers=headers)


def new_image(request: Request, asked: dict[str, Any]) -> Image:
    """Give the image that is asked for, by fields that passed their schema. Raises: Forbidden."""
    fields.require_settable(asked)
    now = request.parts.database.clock.wall()
    defaults: dict[str, Any] = {
        "id": ImageId(asked.get("id", str(uuid.uuid4())).lower()),
        "name": None,
        "owner": request.context.project_id,
        "status": ImageStatus.QUEUED,
        "visibility": Visibility.SHARED,
        "disk_format": None,
        "container_format": None,
        "created_at": now,
        "updated_at": now,
    }
    columns = {name: value for name, value in fields.to_columns(asked).items() if name != "owner" or value is not None}
    image = Image(**(defaults | columns))
    guard_of(request).check_change({}, image.properties)
    request.enforce("add_image", target=target_of(image, request))
    _enforce_visibility(request, image)
    return image


def check_room(tx: Tx, image: Image) -> None:
    """See that the owner may have one more image. Raises: OverQuota."""
    quotas.require(tx, image.owner, {quotas.COUNT: 1})


def update_image(request: Request) -> Answer:
    """PATCH /images/{image_id}."""
    changes = patch.read_changes(media_type(request.raw), request.body)
    guard = guard_of(request)

    def work(tx: Tx) -> dict[str, Any]:
        image = get_image(tx, request, lock=True)
        changed = patch.apply(image, changes, guard)
        check_change(request, image, changed)
        changed = records.update(tx, image, changed) if changes else image
        return views.image(guard.visible(changed), copies.of_image(tx, image.id))

    return Answer(body=request.parts.database.transact(work))


def delete_image(request: Request) -> Answer:
    """DELETE /images/{image_id}."""
    require_unused(request)

    def work(tx: Tx) -> None:
        image = get_image(tx, request, lock=True)
        request.parts.images.delete(tx, image)
        import_image.cancel(request.parts.desk, tx, image.id)

    request.parts.database.transact(work)
    return Answer(status=204)


def deactivate_image(request: Request) -> Answer:
    """POST /images/{image_id}/actions/deactivate."""
    return _set_active(request, active=False)


def reactivate_image(request: Request) -> Answer:
    """POST /images/{image_id}/actions/reactivate."""
    return _set_active(request, active=True)


def add_tag(request: Request) -> Answer:
    """PUT /images/{image_id}/tags/{tag}. Raises: BadRequest for a tag that is too long."""
    tag = request.params["tag"]
    if len(tag) > 255:
        raise errors.BadRequest("A tag has at most 255 characters.")
    request.parts.database.transact(lambda tx: records.add_tag(tx, get_image(tx, request, lock=True), tag))
    return Answer(status=204)


def remove_tag(request: Request) -> Answer:
    """DELETE /images/{image_id}/tags/{tag}."""
    tag = request.params["tag"]
    request.parts.database.transact(lambda tx: records.remove_tag(tx, get_image(tx, request, lock=True), tag))
    return Answer(status=204)


def _set_active(request: Request, *, active: bool) -> Answer:
    request.parts.database.transact(lambda tx: records.set_active(tx, get_image(tx, request, lock=True), active=active))
    return Answer(status=204)


def check_change(request: Request, image: Image, changed: Image) -> None:
    """See that the caller may make these changes now. Raises: Forbidden."""
    if changed.visibility is not image.visibility:
        _enforce_visibility(request, changed)
    if changed.owner != image.owner:
        request.enforce(target=target_of(dataclasses.replace(changed, visibility=image.visibility), request))
    if image.status is ImageStatus.QUEUED:
        return
    for name in FORMATS:
        if getattr(changed, name) != getattr(image, name):
            raise errors.Forbidden(f"Attribute {name} can only be replaced for a queued image.")


def _enforce_visibility(request: Request, image: Image) -> None:
    rule = VISIBILITY_RULES.get(image.visibility)
    if rule is not None:
        request.enforce(rule, target=target_of(image, request))


def _first(request: Request) -> str:
    """Give the address of the first page: the present query without its marker."""
    asked = [(name, value) for name, values in request.query.items() if name != "marker" for value in values]
    return f"{PATH}?{urllib.parse.urlencode(asked)}" if asked else PATH
