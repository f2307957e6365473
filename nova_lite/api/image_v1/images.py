"""Images by v1: fields come and go in headers, and bytes with them in one request."""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_lite import errors
from nova_lite.api.image import data
from nova_lite.api.image import images as newer
from nova_lite.api.image.imports import WEB, methods, target_format
from nova_lite.api.image.lookup import get_image, guard_of, target_of
from nova_lite.api.image_v1 import headers, views
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.image import quotas, records
from nova_lite.image.access import viewer_of
from nova_lite.image.upload import Order
from nova_lite.image.web import check_url
from nova_lite.model.image import Image, ImageStatus
from nova_lite.workflows import import_image
from nova_lite.workflows.import_image import ImportParams

UPLOAD_RULE = "upload_image"


def show_head(request: Request) -> Answer:
    """HEAD /images/{image_id}: the fields alone, whatever the status."""
    with request.parts.database.read() as tx:
        image = get_image(tx, request)
    return Answer(headers=_headers(request, image), content_type="text/plain")  # old clients read JSON where it is said


def download(request: Request) -> Answer:
    """GET /images/{image_id}: the bytes, with the fields in headers. Raises: NotFound for an image without data."""
    with request.parts.database.read() as tx:
        image = get_image(tx, request, rule="download_image")
    if image.location is None:
        raise errors.NotFound(f"Image {image.id} has no data: it is {image.status}.")
    answer = data.download_data(request)
    return dataclasses.replace(answer, headers={**_headers(request, image), **answer.headers})


def create_image(request: Request) -> Answer:
    """POST /images: a record, and its bytes if they come along or are fetched. Bytes that are not right leave no record."""
    asked = headers.read(request)
    _check_sources(request, asked)
    image = newer.new_image(request, {**asked.properties, **asked.fields})
    if request.upload is not None or asked.copy_from:
        request.enforce(UPLOAD_RULE, target=target_of(image, request))
        records.require_formats(image)

    def work(tx: Tx) -> None:
        newer.check_room(tx, image)
        records.create(tx, image)
        if asked.copy_from:
            _fetch(request, tx, image, asked)

    request.parts.database.transact(work)
    if request.upload is not None:
        done = False
        try:
            _take(request, image, asked)
            done = True
        finally:
            if not done:
                request.parts.database.transact(lambda tx: request.parts.images.discard(tx, image.id))
    return _told(request, image.id, 201, {"Location": f"{request.service_url}/images/{image.id}"})


def update_image(request: Request) -> Answer:
    """PUT /images/{image_id}: fields, and the bytes of a queued image. Without bytes, properties that are not named go."""
    asked = headers.read(request)
    _check_sources(request, asked)
    brings = request.upload is not None or bool(asked.copy_from)
    purge = headers.flag("purge-props", request.headers.get(headers.PURGE, "true")) and not brings

    def work(tx: Tx) -> Image:
        image = get_image(tx, request, lock=True)
        if brings and image.status is not ImageStatus.QUEUED:
            raise errors.Conflict(f"Image {image.id} is {image.status}: data are taken by a queued one.")
        changed = _changed(request, image, asked, purge=purge)
        if brings:
            request.enforce(UPLOAD_RULE, target=target_of(image, request))
            records.require_formats(changed)
        changed = records.update(tx, image, changed)
        if asked.copy_from:
            _fetch(request, tx, changed, asked)
        return changed

    image = request.parts.database.transact(work)
    if request.upload is not None:
        _take(request, image, asked)
    return _told(request, image.id, 200, {})


def delete_image(request: Request) -> Answer:
    """DELETE /images/{image_id}; v1 answers 200."""
    newer.delete_image(request)
    return Answer(status=200, body="", content_type="text/plain")


def _check_sources(request: Request, asked: headers.Asked) -> None:
    """Raises: BadRequest for two sources, one that may not be fetched from, or a store that there is not."""
    if asked.store and asked.store not in request.parts.images.store.writable():
        raise errors.BadRequest("No store of this name takes data.")
    if asked.copy_from:
        if request.upload is not None:
            raise errors.BadRequest("It's invalid to provide multiple image sources.")
        if WEB not in methods(request.parts.images.web):
            raise errors.BadRequest("Nothing is copied from web servers here.")
        check_url(asked.copy_from, request.parts.images.web)


def _changed(request: Request, image: Image, asked: headers.Asked, *, purge: bool) -> Image:
    """Give the image as it is wanted; what the caller does not see of it stays. Raises: Forbidden."""
    guard = guard_of(request)
    seen = guard.visible(image)
    changed = headers.change(seen, asked, purge=purge)
    guard.check_change(seen.properties, changed.properties)
    if asked.fields.get("id", image.id) != image.id:
        raise errors.Forbidden("Forbidden to modify 'id' of image.")
    newer.check_change(request, image, changed)
    hidden = {name: value for name, value in image.properties.items() if name not in seen.properties}
    return dataclasses.replace(changed, properties={**hidden, **changed.properties})


def _fetch(request: Request, tx: Tx, image: Image, asked: headers.Asked) -> None:
    """Have the bytes of a web server imported."""
    quotas.require(tx, image.owner, {quotas.SIZE: 1})
    params = ImportParams(
        image_id=image.id,
        store=asked.store or request.parts.images.store.name,
        method=WEB,
        url=asked.copy_from,
        convert_to=target_format(request, image),
    )
    import_image.accept(request.parts.desk, tx, request.context, image, params)


def _take(request: Request, image: Image, asked: headers.Asked) -> None:
    """Take the bytes of the body in. Raises: as `Uploads.run`; OverQuota."""
    if request.upload is None:
        raise ValueError("there is no body")
    length = request.upload.length if request.upload.length is not None else asked.length
    with request.parts.database.read() as tx:
        quotas.require(tx, image.owner, {quotas.SIZE: quotas.mebibytes(max(1, length or 0)), quotas.UPLOADING: 1})
    if asked.length and request.upload.length is not None and asked.length != request.upload.length:
        raise errors.BadRequest("x-image-meta-size is not the number of bytes in the body.")
    digests = {"md5": asked.md5} if asked.md5 else {}
    with request.parts.transfers.slot():
        order = Order(image_id=image.id, read=request.upload.read, length=length, digests=digests)
        request.parts.images.upload(order, asked.store)


def _told(request: Request, image_id: str, status: int, more: dict[str, str]) -> Answer:
    """Tell what the image is now."""
    with request.parts.database.read() as tx:
        image = records.get(tx, image_id, viewer_of(request.context))
    body: dict[str, Any] = {"image": views.image(guard_of(request).visible(image))}
    return Answer(status=status, body=body, headers=more | _etag(image))


def _headers(request: Request, image: Image) -> dict[str, str]:
    return headers.written(views.image(guard_of(request).visible(image))) | _etag(image)


def _etag(image: Image) -> dict[str, str]:
    return {"ETag": f'"{image.md5}"'} if image.md5 else {}
