"""Lists of images, by v1's filters."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from nova_lite import errors
from nova_lite.api.image.filters import read_images_page, read_sort
from nova_lite.api.image.lookup import guard_of
from nova_lite.api.image_v1 import headers, views
from nova_lite.api.route import Answer, Request
from nova_lite.db.images import Comparison, ImageFilter, ImagePage
from nova_lite.image import records
from nova_lite.image.protections import READ, Guard
from nova_lite.model.image import Image, Visibility

TEXTS = ("name", "status", "container_format", "disk_format")
NUMBERS = {"min_ram": "min_ram_mib", "min_disk": "min_disk_gib"}
SIZES = {"size_min": "gte", "size_max": "lte"}
PROPERTY = "property-"
NOT_PUBLIC = tuple(kind.value for kind in Visibility if kind is not Visibility.PUBLIC)


def list_images(request: Request) -> Answer:
    """GET /images."""
    return _list(request, views.brief)


def list_images_in_detail(request: Request) -> Answer:
    """GET /images/detail."""
    return _list(request, views.image)


def list_shared_images(request: Request) -> Answer:
    """GET /shared-images/{member_id}: what others share with a project; to itself, and to admins."""
    member = request.params["member_id"]
    if member != request.context.project_id and not request.context.sees_all_projects:
        raise errors.NotFound(f"No images are known to be shared with project {member[:64]}.")
    wanted = ImageFilter(project_id=member, visibility=Visibility.SHARED.value, member_status=None)
    with request.parts.database.read() as tx:
        found = [image for image in records.list_page(tx, wanted, ImagePage()) if image.owner != member]
    return Answer(body={"shared_images": [views.shared(image) for image in found]})


def _list(request: Request, view: Callable[[Image], dict[str, Any]]) -> Answer:
    guard = guard_of(request)
    wanted, page = _filter(request, guard), read_images_page(request)
    try:
        with request.parts.database.read() as tx:
            asked = ImagePage(sort=read_sort(request), marker=page.marker, limit=page.limit)
            found = records.list_page(tx, wanted, asked) if page.limit else []
    except errors.NotFound as error:
        raise errors.BadRequest("The marker is no image that you may see.") from error
    return Answer(body={"images": [view(guard.visible(image)) for image in found]})


def _filter(request: Request, guard: Guard) -> ImageFilter:
    """Read the filters; names that are none of v1's do nothing, as in Glance. Raises: BadRequest."""
    given = {name: values[-1] for name, values in request.query.items()}
    among: dict[str, tuple[str, ...]] = {name: (given[name],) for name in TEXTS if name in given}
    equal: dict[str, Any] = {"hidden": False}
    equal |= {column: _number(name, given[name]) for name, column in NUMBERS.items() if name in given}
    if "protected" in given:
        equal["protected"] = headers.flag("protected", given["protected"])
    properties = {name.removeprefix(PROPERTY): value for name, value in given.items() if name.startswith(PROPERTY)}
    if not all(guard.allows(READ, name) for name in properties):
        among["id"] = ()
    sees_all = _admins_view(request, among)
    return ImageFilter(
        project_id=request.context.project_id,
        sees_all=sees_all,
        member_status=None,
        among=among,
        equal=equal,
        bounds=tuple(_bounds(given)),
        properties=properties,
    )


def _admins_view(request: Request, among: dict[str, tuple[str, ...]]) -> bool:
    """Tell whether all projects' images are listed: an admin asks for it by `is_public` of None or False."""
    text = (request.first("is_public") or "true").lower()
    if not request.context.sees_all_projects:
        return False
    if text == "none":
        return True
    public = headers.flag("is_public", text)
    if not public:
        among["visibility"] = NOT_PUBLIC
    return not public


def _bounds(given: dict[str, str]) -> list[Comparison]:
    found = [
        Comparison(column="size_bytes", operator=operator, value=_number(name, given[name]))
        for name, operator in SIZES.items()
        if name in given
    ]
    if "changes-since" in given:
        found.append(Comparison(column="updated_at", operator="gte", value=_moment(given["changes-since"])))
    return found


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise errors.BadRequest(f"Bad value passed to filter {name}: a whole number, 0 or more, is wanted.")
    return int(text)


def _moment(text: str) -> int:
    try:
        moment = datetime.datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp())
    except (ValueError, OverflowError) as error:
        raise errors.BadRequest("Bad value passed to filter changes-since: a time in ISO 8601 is wanted.") from error
