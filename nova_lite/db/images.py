"""Queries on images: rows, a page of those somebody may see, tags, members."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import mysql

from nova_lite import errors
from nova_lite.db import clock
from nova_lite.db.engine import Overtaken, Tx
from nova_lite.db.tables.images import image_members, image_tags, images

Row = sa.RowMapping

# What lists may sort by. NULLs are made the lowest value, so that a marker can be compared with them; truth values are made
# numbers, since they are not compared by < and >.
SORT_KEYS: Mapping[str, sa.ColumnElement[Any]] = {
    "created_at": images.c.created_at,
    "updated_at": images.c.updated_at,
    "id": images.c.id,
    "name": sa.func.coalesce(images.c.name, ""),
    "status": images.c.status,
    "visibility": images.c.visibility,
    "owner": sa.func.coalesce(images.c.owner, ""),
    "disk_format": sa.func.coalesce(images.c.disk_format, ""),
    "container_format": sa.func.coalesce(images.c.container_format, ""),
    "size_bytes": sa.func.coalesce(images.c.size_bytes, -1),
    "virtual_size_bytes": sa.func.coalesce(images.c.virtual_size_bytes, -1),
    "min_disk_gib": images.c.min_disk_gib,
    "min_ram_mib": images.c.min_ram_mib,
    "protected": sa.case((images.c.protected, 1), else_=0),
    "hidden": sa.case((images.c.hidden, 1), else_=0),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """A bound on a column: `operator` is one of eq neq gt gte lt lte.

    Times are compared as they are shown, in whole seconds.
    """

    column: str
    operator: str
    value: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageFilter:
    """Which images a list has; what is None or empty does not matter.

    project_id, sees_all: who looks. member_status: of images that others share with the project; None: any
    visibility: one kind; "all": also others' community images, which are left out by default
    among: column -> wanted values; equal: column -> the wanted value
    """

    project_id: str | None = None
    sees_all: bool = False
    visibility: str | None = None
    member_status: str | None = "accepted"
    among: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    equal: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    bounds: tuple[Comparison, ...] = ()
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagePage:
    """How a list is cut: sort keys with their directions (True: downwards), the marker, how many."""

    sort: tuple[tuple[str, bool], ...] = (("created_at", True), ("id", True))
    marker: str | None = None
    limit: int | None = None


def insert_image(tx: Tx, values: Mapping[str, Any]) -> None:
    """Add a row. Raises: Overtaken when the id was taken a moment ago."""
    _insert(tx, images, _plain(values))


def find_image(tx: Tx, image_id: str, *, lock: bool = False) -> Row | None:
    """Read a row; with `lock` nobody else changes it before the transaction ends."""
    query = sa.select(images).where(images.c.id == image_id)
    return tx.execute(query.with_for_update() if lock else query).mappings().one_or_none()


def find_image_timed(tx: Tx, image_id: str) -> Row | None:
    """Read a row, and the journal's time as `now`."""
    query = sa.select(images, clock.now_sql(tx.database).label("now")).where(images.c.id == image_id)
    return tx.execute(query).mappings().one_or_none()


def update_image(tx: Tx, image_id: str, values: Mapping[str, Any], **only_if: Any) -> bool:
    """Change columns of a row if it has the values in `only_if`; tell whether it did."""
    conditions = [images.c[name] == value for name, value in _plain(only_if).items()]
    return tx.execute(images.update().where(images.c.id == image_id, *conditions).values(**_plain(values))).rowcount == 1


def delete_image(tx: Tx, image_id: str) -> bool:
    """Remove a row with its tags and members; tell whether there was one."""
    return tx.execute(images.delete().where(images.c.id == image_id)).rowcount == 1


def list_images(tx: Tx, wanted: ImageFilter, page: ImagePage) -> Sequence[Row]:
    """Read a page of rows. Raises: NotFound when the marker is no image that may be seen."""
    query = sa.select(images).where(*_conditions(tx, wanted))
    if page.marker is not None:
        query = query.where(_after(tx, wanted, page))
    query = query.order_by(*(SORT_KEYS[key].desc() if down else SORT_KEYS[key].asc() for key, down in page.sort))
    return tx.execute(query.limit(page.limit)).mappings().all()


def arriving_images(tx: Tx) -> Sequence[Row]:
    """Read id, status and upload of each image whose bytes are said to be coming."""
    query = sa.select(images.c.id, images.c.status, images.c.upload_id).where(images.c.upload_id.is_not(None))
    return tx.execute(query).mappings().all()


def locations(tx: Tx) -> set[str]:
    """List where the bytes of all images are."""
    return set(tx.execute(sa.select(images.c.location).where(images.c.location.is_not(None))).scalars())


def staged(tx: Tx, owner: str | None = None) -> Sequence[Mapping[str, Any]]:
    """List the contents that wait for their import, of one project's images or of all."""
    query = sa.select(images.c.staged).where(images.c.status.in_(("uploading", "importing")))
    if owner is not None:
        query = query.where(images.c.owner == owner)
    return [found for found in tx.execute(query).scalars() if found]


def staged_locations(staged: Mapping[str, Any]) -> list[str]:
    """Name where staged contents are, and what was made of them; none for nothing."""
    made = staged.get("converted", {}).get("contents", {})
    return [str(contents["location"]) for contents in (staged, made) if contents]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Usage:
    """What a project has: bytes kept, images, and how many of these are on their way."""

    size_bytes: int
    images: int
    uploading: int


def usage(tx: Tx, owner: str) -> Usage:
    """Count what a project's images take."""
    on_the_way = sa.case((images.c.status.in_(("saving", "uploading", "importing")), 1), else_=0)
    kept = sa.case((images.c.location.is_not(None), images.c.size_bytes), else_=0)
    query = sa.select(
        sa.func.coalesce(sa.func.sum(kept), 0).label("size"),
        sa.func.count().label("images"),
        sa.func.coalesce(sa.func.sum(on_the_way), 0).label("uploading"),
    )
    row = tx.execute(query.where(images.c.owner == owner)).mappings().one()
    return Usage(size_bytes=int(row["size"]), images=int(row["images"]), uploading=int(row["uploading"]))


def tags_of(tx: Tx, image_ids: Collection[str]) -> dict[str, list[str]]:
    """Give the tags of some images, sorted."""
    if not image_ids:
        return {}
    query = sa.select(image_tags).where(image_tags.c.image_id.in_(image_ids)).order_by(image_tags.c.tag)
    found: dict[str, list[str]] = {}
    for row in tx.execute(query):
        found.setdefault(row.image_id, []).append(row.tag)
    return found


def add_tags(tx: Tx, image_id: str, tags: Collection[str]) -> None:
    """Add tags that the image does not have. Raises: Overtaken."""
    if tags:
        _insert(tx, image_tags, [{"image_id": image_id, "tag": tag} for tag in tags])


def remove_tags(tx: Tx, image_id: str, tags: Collection[str]) -> int:
    """Take tags away; tell how many there were."""
    if not tags:
        return 0
    return tx.execute(image_tags.delete().where(image_tags.c.image_id == image_id, image_tags.c.tag.in_(tags))).rowcount


def list_members(tx: Tx, image_id: str) -> Sequence[Row]:
    """Read with whom an image is shared, oldest first."""
    query = sa.select(image_members).where(image_members.c.image_id == image_id)
    return tx.execute(query.order_by(image_members.c.created_at, image_members.c.member)).mappings().all()


def find_member(tx: Tx, image_id: str, member: str | None) -> Row | None:
    """Read one."""
    query = sa.select(image_members).where(image_members.c.image_id == image_id, image_members.c.member == member)
    return tx.execute(query).mappings().one_or_none()


def insert_member(tx: Tx, values: Mapping[str, Any]) -> None:
    """Add one. Raises: Overtaken."""
    _insert(tx, image_members, values)


def update_member(tx: Tx, image_id: str, member: str, values: Mapping[str, Any]) -> bool:
    """Change one; tell whether there was one."""
    where = (image_members.c.image_id == image_id, image_members.c.member == member)
    return tx.execute(image_members.update().where(*where).values(**values)).rowcount == 1


def delete_member(tx: Tx, image_id: str, member: str) -> bool:
    """Remove one; tell whether there was one."""
    where = (image_members.c.image_id == image_id, image_members.c.member == member)
    return tx.execute(image_members.delete().where(*where)).rowcount == 1


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give values that every driver takes."""
    return {name: value.value if isinstance(value, enum.Enum) else value for name, value in values.items()}


def _insert(tx: Tx, table: sa.Table, values: Any) -> None:
    try:
        tx.execute(table.insert(), values)
    except exc.IntegrityError as error:
        raise Overtaken from error


def _conditions(tx: Tx, wanted: ImageFilter) -> list[sa.ColumnElement[bool]]:
    found = [_visible(wanted)]
    if wanted.visibility not in (None, "all"):
        found.append(images.c.visibility == wanted.visibility)
    found.extend(images.c[name].in_(values) for name, values in wanted.among.items())
    found.extend(images.c[name] == value for name, value in wanted.equal.items())
    found.extend(_bounded(bound) for bound in wanted.bounds)
    for tag in wanted.tags:
        found.append(sa.exists().where(image_tags.c.image_id == images.c.id, image_tags.c.tag == tag))
    found.extend(_has_property(tx, name, value) for name, value in wanted.properties.items())
    return found


def _visible(wanted: ImageFilter) -> sa.ColumnElement[bool]:
    """What somebody sees. Others' community images only when asked for."""
    own = images.c.owner == wanted.project_id if wanted.project_id is not None else sa.false()
    with_community = wanted.visibility in ("community", "all")
    if wanted.sees_all:
        return sa.true() if with_community else sa.or_(images.c.visibility != "community", own)
    kinds = [own, images.c.visibility == "public"]
    if with_community:
        kinds.append(images.c.visibility == "community")
    if wanted.project_id is not None:
        kinds.append(sa.and_(images.c.visibility == "shared", _shared_with(wanted.project_id, wanted.member_status)))
    return sa.or_(*kinds)


def _shared_with(project_id: str, status: str | None) -> sa.ColumnElement[bool]:
    membership = sa.exists().where(image_members.c.image_id == images.c.id, image_members.c.member == project_id)
    return membership if status is None else membership.where(image_members.c.status == status)


def _bounded(bound: Comparison) -> sa.ColumnElement[bool]:
    column, value = images.c[bound.column], bound.value
    after = value + 1  # the first value that is shown as a later one
    within = sa.and_(column >= value, column < after)
    return {
        "eq": within,
        "neq": sa.not_(within),
        "gt": column >= after,
        "gte": column >= value,
        "lt": column < value,
        "lte": column < after,
    }[bound.operator]


def _has_property(tx: Tx, name: str, value: str) -> sa.ColumnElement[bool]:
    """Search the stored compact JSON for `"name":"value"`, which no other value can hold: quotes are escaped."""
    part = orjson.dumps({name: value}).decode()[1:-1]
    text = sa.type_coerce(images.c.properties, sa.Text)
    if tx.database.dialect == "postgresql":
        return sa.func.strpos(text, part) > 0
    if tx.database.dialect == "mysql":  # its texts compare without case unless they are binary
        return sa.func.instr(sa.cast(text, mysql.BINARY), part) > 0
    return sa.func.instr(text, part) > 0


def _after(tx: Tx, wanted: ImageFilter, page: ImagePage) -> sa.ColumnElement[bool]:
    """What comes behind the marker in the order of the page. Raises: NotFound when it may not be seen."""
    seen = dataclasses.replace(wanted, visibility="all", member_status=None)
    marked = sa.select(*(SORT_KEYS[key] for key, _ in page.sort)).where(images.c.id == page.marker, _visible(seen))
    values = tx.execute(marked).one_or_none()
    if values is None:
        raise errors.NotFound("The marker is no image.")
    behind: sa.ColumnElement[bool] = sa.false()
    for (key, down), value in reversed(list(zip(page.sort, values, strict=True))):
        column = SORT_KEYS[key]
        behind = sa.or_(column < value if down else column > value, sa.and_(column == value, behind))
    (first, down), value = page.sort[0], values[0]  # lets the engine begin in the middle of the index
    return sa.and_(SORT_KEYS[first] <= value if down else SORT_KEYS[first] >= value, behind)
