"""Queries on the copies of images' bytes, beside the one that an image's own row names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova_lite.db.engine import Tx
from nova_lite.db.tables.images import image_copies

Row = sa.RowMapping


def list_copies(tx: Tx, image_ids: Collection[str]) -> Sequence[Row]:
    """Read the copies of some images, by the names of their stores."""
    if not image_ids:
        return []
    query = sa.select(image_copies).where(image_copies.c.image_id.in_(image_ids))
    return tx.execute(query.order_by(image_copies.c.image_id, image_copies.c.store)).mappings().all()


def insert_copies(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add some that are not there."""
    if rows:
        tx.execute(image_copies.insert(), list(rows))


def update_copy(tx: Tx, image_id: str, store: str, values: Mapping[str, Any], **only_if: Any) -> bool:
    """Change one if it has the values in `only_if`; tell whether it did."""
    where = [image_copies.c.image_id == image_id, image_copies.c.store == store]
    where += [image_copies.c[name] == value for name, value in only_if.items()]
    return tx.execute(image_copies.update().where(*where).values(**values)).rowcount == 1


def delete_copies(tx: Tx, image_id: str, stores: Collection[str]) -> int:
    """Remove some; tell how many there were."""
    if not stores:
        return 0
    return tx.execute(
        image_copies.delete().where(image_copies.c.image_id == image_id, image_copies.c.store.in_(stores))
    ).rowcount


def locations(tx: Tx) -> set[str]:
    """List where all copies are."""
    query = sa.select(image_copies.c.location).where(image_copies.c.location.is_not(None))
    return set(tx.execute(query).scalars())
