"""Bytes that others use where they lie: an image that was cloned is not deleted under its clones."""

from __future__ import annotations

from collections.abc import Callable

from nova_lite import errors
from nova_lite.db.engine import Database, Tx
from nova_lite.image import copies
from nova_lite.image.stores.several import Stores
from nova_lite.model.image import Image


def require_unused(stores: Stores, database: Database, find: Callable[[Tx], Image], store: str | None = None) -> None:
    """See that nobody stands on the bytes of an image, or of its copy in one store, before it is deleted.

    Stores are asked, so no transaction is open meanwhile: who makes a clone at this moment keeps its bytes without the image.
    What will be refused for another reason is not looked at. Raises: Conflict; as `find`.
    """
    if not stores.lends():
        return
    with database.read() as tx:
        image = find(tx)
        held = copies.holders(image, copies.of_image(tx, image.id))
    if image.protected or (store is not None and len(held) < 2):
        return
    try:
        stores.require_unused([location for name, location in held.items() if store in (None, name)])
    except errors.Conflict as error:
        raise errors.Conflict(f"Image {image.id} cannot be deleted. {error.message}") from error
