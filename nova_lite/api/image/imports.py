"""Imports: an image gets the bytes that were staged for it, or those of a web server or of another region's image."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

from nova_lite import errors
from nova_lite.api.image.lookup import get_image
from nova_lite.api.route import Answer, Request
from nova_lite.conf.image import WebRules
from nova_lite.db.engine import Tx
from nova_lite.image import copies, quotas, records, remote, staging
from nova_lite.image.convert import is_converted
from nova_lite.image.stores.base import store_name
from nova_lite.image.web import check_url
from nova_lite.model.image import Image, ImageStatus
from nova_lite.workflows import import_image as workflow
from nova_lite.workflows.import_image import ImportParams

STAGED, WEB, COPY = "glance-direct", "web-download", workflow.COPY
ELSEWHERE = "glance-download"


def methods(web: WebRules) -> list[str]:
    """List the ways of import that are offered in each cloud."""
    return [STAGED, *([WEB] if web.offered else ()), COPY]


def methods_now(tx: Tx, web: WebRules) -> list[str]:
    """List the ways of import that are of use here: another region's images are where the catalogue has another region."""
    return [*methods(web), *([ELSEWHERE] if len(remote.regions(tx)) > 1 else ())]


def import_image(request: Request) -> Answer:
    """POST /images/{image_id}/import."""
    method = request.body["method"]
    _check_method(request, method)
    asked = _asked_stores(request)

    def work(tx: Tx) -> None:
        image = get_image(tx, request, lock=True)
        if method["name"] == COPY:
            _copy(tx, request, image, asked)
            return
        records.require_formats(image)
        staged = staging.contents_of(tx, image.id)
        where = asked or [request.parts.images.store.name if staged is None else store_name(staged.location)]
        quotas.require(tx, image.owner, {quotas.SIZE: quotas.mebibytes(staged.size_bytes if staged is not None else 1)})
        params = _params(request, image, where)
        if method["name"] == ELSEWHERE:
            params = _elsewhere(request, params, method)
        workflow.accept(request.parts.desk, tx, request.context, image, params)

    request.parts.database.transact(work)
    return Answer(status=202)


def _elsewhere(request: Request, params: ImportParams, method: dict[str, Any]) -> ImportParams:
    """Add which image of which region it is; where that is, the fetch asks the catalogue, and the task tells what it said.

    What is made of it is decided when its formats are known.
    """
    wanted = {
        "glance_region": method["glance_region"],
        "glance_image_id": method["glance_image_id"],
        "glance_service_interface": method.get("glance_service_interface", "public"),
    }
    images = request.parts.images
    token = images.seal(request.headers["X-AUTH-TOKEN"])
    return dataclasses.replace(params, token=token, remote=wanted, convert_to=images.convert_to)


def target_format(request: Request, image: Image) -> str | None:
    """Tell what an import makes of an image; None where it stays as it is."""
    target: str | None = request.parts.images.convert_to
    return target if is_converted(image.disk_format, image.container_format, target) else None


def injected(request: Request) -> dict[str, str]:
    """Give the properties that an image of the caller gets by its import; admins say themselves what theirs have."""
    return {} if request.context.is_admin else dict(request.parts.images.inject)


def _check_method(request: Request, method: dict[str, Any]) -> None:
    """Raises: BadRequest for a method that is not offered, or lacks or has too much of what it needs."""
    name, uri = method["name"], method.get("uri")
    offered = [*methods(request.parts.images.web), ELSEWHERE]  # whatever the catalogue has: it is read when the fetch begins
    if name not in offered:
        raise errors.BadRequest(f"Unknown import method name {name[:64]}; offered are {', '.join(offered)}.")
    if (uri is not None) != (name == WEB):
        raise errors.BadRequest(f"{WEB} needs a uri." if name == WEB else f"{name} takes no uri.")
    if uri is not None:
        check_url(uri, request.parts.images.web)
    _check_remote(method)


def _check_remote(method: dict[str, Any]) -> None:
    """Raises: BadRequest when what names an image of another region is incomplete or wrong."""
    if method["name"] != ELSEWHERE:
        return
    for name in ("glance_region", "glance_image_id"):
        if not method.get(name):
            raise errors.BadRequest(f"'{name}' needs to be set for {ELSEWHERE} import method")
    try:
        uuid.UUID(method["glance_image_id"])
    except ValueError as error:
        raise errors.BadRequest("glance_image_id: image id does not look like a UUID") from error


def _asked_stores(request: Request) -> list[str]:
    """Give the stores that the client asks for; none where it leaves that to us.

    Raises: BadRequest for stores that contradict; Conflict for one that there is not or that takes no bytes, as in Glance.
    """
    stores, everywhere = request.body.get("stores"), request.body.get("all_stores")
    if stores is not None and everywhere:
        raise errors.BadRequest("all_stores parameter can't be used with stores parameter.")
    offered = request.parts.images.store.writable()
    if everywhere:
        return list(offered)
    header = request.headers.get("X-IMAGE-META-STORE")
    asked = list(dict.fromkeys(stores or ([header] if header else [])))
    unknown = [name for name in asked if name not in offered]
    if unknown:
        raise errors.Conflict(f"No store {unknown[0][:64]} takes data; see /v2/info/stores.")
    return asked


def _params(request: Request, image: Image, stores: list[str]) -> ImportParams:
    method = request.body["method"]
    return ImportParams(
        image_id=image.id,
        store=stores[0],
        others=tuple(stores[1:]),
        method=method["name"],
        url=method.get("uri"),
        convert_to=None if method["name"] == COPY else target_format(request, image),
        must_succeed=request.body.get("all_stores_must_succeed", True),
        inject={} if method["name"] == COPY else injected(request),
    )


def _copy(tx: Tx, request: Request, image: Image, asked: list[str]) -> None:
    """Have an active image copied; where it is everywhere that all stores are asked for, nothing is to be done.

    Raises: Conflict without data; BadRequest for a store that has it already.
    """
    if image.status is not ImageStatus.ACTIVE:
        raise errors.Conflict(f"Only an active image is copied; {image.id} is {image.status}.")
    held = copies.holders(image, copies.of_image(tx, image.id))
    asked = asked or [request.parts.images.store.name]
    wanted = [store for store in asked if store not in held]
    if wanted != asked and not request.body.get("all_stores"):
        raise errors.BadRequest(f"Image {image.id} is in store {next(one for one in asked if one in held)} already.")
    if wanted:
        workflow.accept(request.parts.desk, tx, request.context, image, _params(request, image, wanted))
