"""What a list of images is asked for: filters, sort keys and page from the query, by the rules of Glance."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api.image.schemas.images import VISIBILITIES
from nova_lite.api.image.views.images import HASH
from nova_lite.api.pages import Page, read_page
from nova_lite.api.route import Request
from nova_lite.db.image_tasks import FIELDS
from nova_lite.db.images import Comparison, ImageFilter
from nova_lite.image.access import viewer_of
from nova_lite.image.members import STATUSES
from nova_lite.image.protections import OPEN, READ, Guard

PAGE = 25  # how many are shown when no limit is asked
LONGEST_VALUE = 65535
OPERATORS = ("eq", "neq", "gt", "gte", "lt", "lte")
TEXTS = {"id": "id", "name": "name", "status": "status", "disk_format": "disk_format", "container_format": "container_format"}
SAME = {"owner": "owner", "checksum": "md5", "os_hash_value": "sha512"}
NUMBERS = {"size": "size_bytes", "virtual_size": "virtual_size_bytes", "min_disk": "min_disk_gib", "min_ram": "min_ram_mib"}
FLAGS = {"protected": "protected", "os_hidden": "hidden"}
TIMES = ("created_at", "updated_at")
BOUNDS = {"_min": "gte", "_max": "lte"}
RANGES = {name + end: (column, way) for name, column in NUMBERS.items() for end, way in BOUNDS.items()}
GONE = "changes-since"
NO_FILTERS = frozenset(
    {"limit", "marker", "sort", "sort_key", "sort_dir", "member_status", "visibility", "tag", "os_hash_algo"}
)
SORTABLE: Mapping[str, str] = {
    **{name: name for name in ("id", "name", "status", "created_at", "updated_at", "disk_format", "container_format")},
    **{name: name for name in ("owner", "visibility", "protected")},
    "size": "size_bytes",
    "virtual_size": "virtual_size_bytes",
    "min_disk": "min_disk_gib",
    "min_ram": "min_ram_mib",
    "os_hidden": "hidden",
}
QUOTED = re.compile(r'"(?P<value>(?:[^"\\]|\\.)*)"(?=,|\Z)', re.DOTALL)
BARE = re.compile(r'(?P<value>(?:[^",]|(?<=\\)")*)(?=,|\Z)', re.DOTALL)
DOWN = {"asc": False, "desc": True}


def read_filter(request: Request, guard: Guard = OPEN) -> ImageFilter:
    """Read the filters; names that are none of ours are properties of the user's. Raises: BadRequest.

    What the caller may not read of images it cannot ask for either: no image has it.
    """
    query = request.query
    viewer = viewer_of(request.context)
    read: dict[str, Any] = {"among": {}, "equal": {"hidden": False}, "bounds": [], "properties": {}}
    for name, values in query.items():
        if name not in NO_FILTERS:
            _read(name, values[-1], read)
    if any(not guard.allows(READ, name) for name in read["properties"]):
        read["among"]["id"] = ()
    algorithm = request.first("os_hash_algo")
    if algorithm is not None and algorithm != HASH:
        read["among"]["sha512"] = ()
    return ImageFilter(
        project_id=viewer.project_id,
        sees_all=viewer.sees_all,
        visibility=_one_of(request, "visibility", (*VISIBILITIES, "all")),
        member_status=_member_status(request),
        among=read["among"],
        equal=read["equal"],
        bounds=tuple(read["bounds"]),
        tags=tuple(query.get("tag", ())),
        properties=read["properties"],
    )


def _read(name: str, value: str, read: dict[str, Any]) -> None:
    if name in TEXTS:
        read["among"][TEXTS[name]] = _several(name, value)
    elif name in SAME:
        read["equal"][SAME[name]] = value
    elif name in NUMBERS:
        read["equal"][NUMBERS[name]] = _number(name, value)
    elif name in FLAGS:
        read["equal"][FLAGS[name]] = _flag(name, value)
    elif name in TIMES:
        read["bounds"].append(_time_bound(name, value))
    elif name in RANGES:
        column, operator = RANGES[name]
        read["bounds"].append(Comparison(column=column, operator=operator, value=_number(name, value)))
    elif name == GONE:
        raise errors.BadRequest(f"The filter {GONE} is not in this version: updated_at=gte:TIME is.")
    else:
        read["properties"][name] = value


def _several(name: str, value: str) -> tuple[str, ...]:
    """Read `in:a,b` (quotes around what has a comma), `eq:a`, or a single value; other operators are for times."""
    operator, colon, rest = value.partition(":")
    if colon and operator in OPERATORS:
        if operator != "eq":
            raise errors.BadRequest(f"Unable to filter {name} by the operator {operator}: only eq and in are for it.")
        return (rest,)
    if not value.startswith("in:"):
        return (value,)
    return _split(name, value[3:])


def _split(name: str, text: str) -> tuple[str, ...]:
    """Split at commas; a value in quotes may have commas, and quotes behind a backslash. Raises: BadRequest."""
    values: list[str] = []
    position = 0
    while text:
        found = QUOTED.match(text, position) or BARE.match(text, position)
        if found is None:
            raise errors.BadRequest(f"Invalid filter value of {name}: the quotes are not right.")
        values.append(found["value"].replace('\\"', '"'))
        if found.end() == len(text):
            return tuple(values)
        position = found.end() + 1
    return ()


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise errors.BadRequest(f"Invalid value for option {name}: a whole number, 0 or more, is wanted.")
    return int(value)


def _flag(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise errors.BadRequest(f"Invalid value for option {name}: true or false is wanted.")
    return value.lower() == "true"


def _time_bound(name: str, value: str) -> Comparison:
    """Read `gte:2026-01-01T00:00:00Z`, or a time alone, which means the same second."""
    operator, colon, rest = value.partition(":")
    if not colon or operator[:1].isdigit():
        operator, rest = "eq", value
    if operator not in OPERATORS:
        raise errors.BadRequest(f"Invalid filter value of {name}: the operator must be one of {', '.join(OPERATORS)}.")
    try:
        moment = datetime.datetime.fromisoformat(rest)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        return Comparison(column=name, operator=operator, value=int(moment.timestamp()))
    except (ValueError, OverflowError) as error:
        raise errors.BadRequest(f"Invalid filter value of {name}: a time such as 2026-01-01T00:00:00Z is wanted.") from error


def _one_of(request: Request, name: str, choices: tuple[str, ...]) -> str | None:
    value = request.first(name)
    if value is not None and value not in choices:
        raise errors.BadRequest(f"Invalid value for {name}: must be one of {', '.join(choices)}.")
    return value


def _member_status(request: Request) -> str | None:
    value = _one_of(request, "member_status", (*STATUSES, "all")) or "accepted"
    return None if value == "all" else value


def read_images_page(request: Request) -> Page:
    """Read limit and marker. Raises: BadRequest."""
    page = read_page(request, zero_is_all=False)
    return page if request.first("limit") else Page(limit=PAGE, marker=page.marker)


def read_sort(request: Request) -> tuple[tuple[str, bool], ...]:
    """Read `sort=name:asc,size` or `sort_key` with `sort_dir`; the newest come first otherwise. Raises: BadRequest.

    What is equal in these comes by time and id, in the one direction that was said, or the newest first (as in Glance).
    """
    keys = _sort_short(request) if "sort" in request.query else _sort_long(request)
    said = [way for _, way in keys] if "sort" in request.query else request.query.get("sort_dir", [])
    wanted = [(_sortable(key), _direction(way)) for key, way in keys]
    return _with_ties(wanted, _direction(said[0]) if len(said) == 1 else True)


def read_task_sort(request: Request) -> tuple[tuple[str, bool], ...]:
    """Read `sort_key` and `sort_dir` of a list of tasks. Raises: BadRequest."""
    key, way = request.first("sort_key", "created_at"), request.first("sort_dir", "desc")
    if key not in FIELDS:
        raise errors.BadRequest(f"Unsupported sort key, acceptable values: {', '.join(sorted(FIELDS))}.")
    down = _direction(str(way))
    return _with_ties([(str(key), down)], down)


def _with_ties(wanted: list[tuple[str, bool]], down: bool) -> tuple[tuple[str, bool], ...]:
    named = {name for name, _ in wanted}
    return (*wanted, *((key, down) for key in ("created_at", "id") if key not in named))


def _sort_short(request: Request) -> list[tuple[str, str]]:
    if "sort_key" in request.query or "sort_dir" in request.query:
        raise errors.BadRequest("Old and new sorting syntax cannot be combined.")
    parts = (part.strip().partition(":") for part in (request.first("sort") or "").split(","))
    return [(key, way or "desc") for key, _, way in parts]


def _sort_long(request: Request) -> list[tuple[str, str]]:
    keys = request.query.get("sort_key", [])
    ways = request.query.get("sort_dir", [])
    if len(ways) > 1 and len(ways) != len(keys or ["created_at"]):
        raise errors.BadRequest("The number of sort directions does not match the number of sort keys.")
    keys = keys or ["created_at"]
    return list(zip(keys, ways * len(keys) if len(ways) == 1 else ways or ["desc"] * len(keys), strict=True))


def _sortable(key: str) -> str:
    if key not in SORTABLE:
        raise errors.BadRequest(f"Unsupported sort key, acceptable values: {', '.join(sorted(SORTABLE))}.")
    return SORTABLE[key]


def _direction(way: str) -> bool:
    if way not in DOWN:
        raise errors.BadRequest("The sort direction must be asc or desc.")
    return DOWN[way]
