"""Queries on how images are used: what was downloaded, kept in a table of its own, and which servers were made of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite.db.engine import Overtaken, Tx
from nova_lite.db.tables.images import image_copies, image_usage, images
from nova_lite.db.tables.servers import servers

Row = sa.RowMapping
_COPIED = image_copies.join(images, images.c.id == image_copies.c.image_id)


def add(tx: Tx, image_id: str, downloads: int, sent_bytes: int, at: float) -> bool:
    """Count downloads and bytes of an image; False when it is gone. Raises: Overtaken."""
    own = image_usage.c
    values: dict[Any, Any] = {
        own.downloads: own.downloads + downloads,
        own.sent_bytes: own.sent_bytes + sent_bytes,
        own.last_download_at: sa.case((own.last_download_at > at, own.last_download_at), else_=at),
    }
    if tx.execute(image_usage.update().where(own.image_id == image_id).values(values)).rowcount == 1:
        return True
    if tx.execute(sa.select(images.c.id).where(images.c.id == image_id)).one_or_none() is None:
        return False
    row: Mapping[str, Any] = {
        "image_id": image_id,
        "downloads": downloads,
        "sent_bytes": sent_bytes,
        "last_download_at": at,
    }
    try:
        tx.execute(image_usage.insert(), row)
    except exc.IntegrityError as error:
        raise Overtaken from error
    return True


def sums(tx: Tx, owner: str) -> tuple[int, int]:
    """Give the downloads of a project's images, and the bytes that were sent."""
    query = sa.select(
        sa.func.coalesce(sa.func.sum(image_usage.c.downloads), 0), sa.func.coalesce(sa.func.sum(image_usage.c.sent_bytes), 0)
    )
    joined = image_usage.join(images, images.c.id == image_usage.c.image_id)
    found = tx.execute(query.select_from(joined).where(images.c.owner == owner)).one()
    return int(found[0]), int(found[1])


def list_used(tx: Tx, owner: str | None = None) -> Sequence[Row]:
    """Read all images, or a project's, with their use: boots are servers on record, deleted ones too."""
    booted = (
        sa.select(
            servers.c.image_id,
            sa.func.count().label("boots"),
            sa.func.max(servers.c.launched_at).label("last_boot_at"),
        )
        .where(servers.c.launched_at.is_not(None), servers.c.image_id.is_not(None))
        .group_by(servers.c.image_id)
        .subquery()
    )
    query = (
        sa.select(
            *(images.c[name] for name in ("id", "name", "owner", "status", "size_bytes", "location")),
            sa.func.coalesce(image_usage.c.downloads, 0).label("downloads"),
            sa.func.coalesce(image_usage.c.sent_bytes, 0).label("sent_bytes"),
            image_usage.c.last_download_at,
            sa.func.coalesce(booted.c.boots, 0).label("boots"),
            booted.c.last_boot_at,
        )
        .select_from(
            images.outerjoin(image_usage, image_usage.c.image_id == images.c.id).outerjoin(
                booted, booted.c.image_id == images.c.id
            )
        )
        .order_by(images.c.owner, images.c.created_at, images.c.id)
    )
    return tx.execute(query if owner is None else query.where(images.c.owner == owner)).mappings().all()


def list_kept_copies(tx: Tx, owner: str | None = None) -> Sequence[Row]:
    """Read which images, or those of a project, have a copy in which further stores."""
    query = sa.select(image_copies.c.image_id, image_copies.c.store).where(image_copies.c.location.is_not(None))
    if owner is not None:
        query = query.select_from(_COPIED).where(images.c.owner == owner)
    return tx.execute(query.order_by(image_copies.c.image_id, image_copies.c.store)).mappings().all()


def own_bytes(tx: Tx, stores: Collection[str], owner: str | None = None) -> list[tuple[str, int]]:
    """Add up, for each of these stores, the images whose own location is there; of all, or of a project."""
    if not stores:
        return []
    names = list(stores)
    sizes = [
        sa.case((images.c.location.startswith(f"{name}:", autoescape=True), images.c.size_bytes), else_=0) for name in names
    ]
    query = sa.select(*(sa.func.coalesce(sa.func.sum(size), 0) for size in sizes)).select_from(images)
    found = tx.execute(query if owner is None else query.where(images.c.owner == owner)).one()
    return [(name, int(size)) for name, size in zip(names, found, strict=True)]


def copied_bytes(tx: Tx, owner: str | None = None) -> list[tuple[str, int]]:
    """Add up the copies in each further store; of all images, or of a project's."""
    total = sa.func.coalesce(sa.func.sum(images.c.size_bytes), 0)
    query = sa.select(image_copies.c.store, total).select_from(_COPIED).where(image_copies.c.location.is_not(None))
    if owner is not None:
        query = query.where(images.c.owner == owner)
    return [(str(store), int(size)) for store, size in tx.execute(query.group_by(image_copies.c.store))]
