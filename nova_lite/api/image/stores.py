"""Where images' bytes are: stores, and the locations of one image."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.image.lookup import get_image
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.image import copies, records
from nova_lite.image.access import ANYTHING
from nova_lite.image.stores.base import Store
from nova_lite.model.image import ImageStatus


def show_stores(request: Request) -> Answer:
    """GET /info/stores."""
    return Answer(body={"stores": [_summary(request, store) for store in request.parts.images.store.all()]})


def show_stores_in_detail(request: Request) -> Answer:
    """GET /info/stores/detail: of the stores themselves only what tells no secret and no path."""
    more = {"weight": 0, "properties": {}}
    stores = request.parts.images.store.all()
    return Answer(body={"stores": [{**_summary(request, store), "type": store.type, **more} for store in stores]})


def _summary(request: Request, store: Store) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": store.name, "description": store.description}
    if store.name == request.parts.images.store.name:
        shown["default"] = "true"
    if store.read_only:
        shown["read-only"] = "true"
    return shown


def delete_from_store(request: Request) -> Answer:
    """DELETE /stores/{store_id}/{image_id}: refused for the last copy."""
    store_id = request.params["store_id"]

    def work(tx: Tx) -> None:
        image = get_image(tx, request, lock=True)
        if request.parts.images.store.find(store_id) is None:
            raise errors.NotFound(f"There is no store {store_id[:64]}.")
        if image.protected:
            raise errors.Forbidden(f"Image {image.id} is protected and cannot be deleted.")
        if image.status is not ImageStatus.ACTIVE:
            raise errors.Conflict(f"Only data of active images are deleted from a store; {image.id} is {image.status}.")
        held = copies.holders(image, copies.of_image(tx, image.id))
        if len(held) == 1:
            raise errors.Forbidden(
                f"{next(iter(held))} is the only store that holds image {image.id}. Delete the image instead."
            )
        if not request.parts.images.delete_copy(tx, image, store_id):
            raise errors.NotFound(f"Image {image.id} is not in store {store_id[:64]}.")

    request.parts.database.transact(work)
    return Answer(status=204)


def list_locations(request: Request) -> Answer:
    """GET /images/{image_id}/locations, for services: in which store, and the store's own name of the bytes."""
    with request.parts.database.read() as tx:
        image = records.get(tx, request.params["image_id"], ANYTHING)
        held = copies.holders(image, copies.of_image(tx, image.id))
    return Answer(body=[{"url": location, "metadata": {"store": store}} for store, location in held.items()])


def add_location(request: Request) -> Answer:
    """POST /images/{image_id}/locations: refused, since no store of ours takes bytes that lie elsewhere already.

    Raises: Conflict for an image that is not queued; BadRequest for every other.
    """
    with request.parts.database.read() as tx:
        image = get_image(tx, request)
    if image.status is not ImageStatus.QUEUED:
        raise errors.Conflict(f"A location is added to a queued image only; {image.id} is {image.status}.")
    raise errors.BadRequest(
        "No store here serves this location. A file of a web server is taken in by the import web-download."
    )
