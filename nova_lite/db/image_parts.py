"""Queries on uploads of images by parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite.db.engine import Overtaken, Tx
from nova_lite.db.tables.images import image_parts, images

Row = sa.RowMapping


def find(tx: Tx, image_id: str, *, lock: bool = False) -> Row | None:
    """Read the upload by parts of an image; with `lock` nobody else changes it before the transaction ends."""
    query = sa.select(image_parts).where(image_parts.c.image_id == image_id)
    return tx.execute(query.with_for_update() if lock else query).mappings().one_or_none()


def insert(tx: Tx, values: Mapping[str, Any]) -> None:
    """Add one. Raises: Overtaken when the image has one since a moment ago."""
    try:
        tx.execute(image_parts.insert(), dict(values))
    except exc.IntegrityError as error:
        raise Overtaken from error


def delete(tx: Tx, image_id: str, upload_id: str) -> bool:
    """Remove one; tell whether it was there."""
    where = (image_parts.c.image_id == image_id, image_parts.c.upload_id == upload_id)
    return tx.execute(image_parts.delete().where(*where)).rowcount == 1


def keys(tx: Tx) -> list[tuple[str, str]]:
    """Give image and upload of each."""
    return [(row.image_id, row.upload_id) for row in tx.execute(sa.select(image_parts.c.image_id, image_parts.c.upload_id))]


def announced(tx: Tx, owner: str, but: str) -> tuple[int, int]:
    """Count the queued images of a project that have half an upload, without one of them, and what is announced for them."""
    total = sa.func.coalesce(sa.func.sum(image_parts.c.total_bytes), 0)
    query = sa.select(sa.func.count().label("images"), total.label("bytes"))
    query = query.select_from(image_parts.join(images, images.c.id == image_parts.c.image_id))
    query = query.where(images.c.owner == owner, images.c.id != but, images.c.status == "queued")
    row = tx.execute(query).mappings().one()
    return int(row["images"]), int(row["bytes"])
