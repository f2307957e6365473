"""Where images' bytes are: stores, and the locations of one image."""

from __future__ import annotations

import re
from typing import Any

from nova_lite import errors
from nova_lite.api.image.lookup import get_image, require_unused
from nova_lite.api.image.views.images import HASH
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.image import copies, quotas, records
from nova_lite.image.access import ANYTHING
from nova_lite.image.stores.base import LendingStore, Store, store_name
from nova_lite.image.stores.http import TYPE, http_store
from nova_lite.model.image import ImageStatus
from nova_lite.workflows import import_image
from nova_lite.workflows.import_image import ImportParams

_HEX = re.compile("[0-9a-fA-F]{128}", re.ASCII)


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
    require_unused(request, store_id)

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
    return Answer(body=[{"url": _url(request, location), "metadata": {"store": store}} for store, location in held.items()])


def _url(request: Request, location: str) -> str:
    """Give a location as others know it: of a web server's file, and of what can be cloned, its URL."""
    store = request.parts.images.store.find(store_name(location))
    if isinstance(store, LendingStore):
        return store.url_of(location)
    return location.partition(":")[2] if store is not None and store.type == TYPE else location


def add_location(request: Request) -> Answer:
    """POST /images/{image_id}/locations: a file of a web server, which stays there; it is read once, hashed and inspected.

    Raises: Conflict for an image that is not queued; BadRequest where no store keeps it, or for a hash that is none.
    """
    url, sha512 = request.body["url"], _sha512(request.body.get("validation_data"))
    store = http_store(request.parts.images.store.all())

    def work(tx: Tx) -> None:
        image = get_image(tx, request, lock=True)
        if image.status is not ImageStatus.QUEUED:
            raise errors.Conflict(f"A location is added to a queued image only; {image.id} is {image.status}.")
        if store is None:
            raise errors.BadRequest(
                "No store here serves this location. A file of a web server is taken in by the import web-download."
            )
        store.location_of(url)
        records.require_formats(image)
        quotas.require(tx, image.owner, {quotas.SIZE: 1})
        params = ImportParams(
            image_id=image.id, store=store.name, method=import_image.LOCATION, url=url, task="location_import", sha512=sha512
        )
        import_image.accept(request.parts.desk, tx, request.context, image, params)

    request.parts.database.transact(work)
    return Answer(status=202)


def _sha512(asked: dict[str, str] | None) -> str | None:
    """Read what the client says of the bytes. Raises: BadRequest."""
    if not asked:
        return None
    if asked.get("os_hash_algo", HASH) != HASH:
        raise errors.BadRequest(f"os_hash_algo must be '{HASH}'.")
    value = asked.get("os_hash_value", "")
    if not _HEX.fullmatch(value):
        raise errors.BadRequest("os_hash_value must be 128 hexadecimal digits.")
    return value.lower()
