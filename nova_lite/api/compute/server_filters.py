"""From the query of a list of servers to what the database is asked: filters, sort keys, marker."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api import pages
from nova_lite.api.compute import flags, patterns, tasks, times
from nova_lite.api.compute.lookup import is_uuid
from nova_lite.api.microversion import ByVersion
from nova_lite.api.pages import Page
from nova_lite.api.route import Request
from nova_lite.db.servers import ServerFilter, ServerPage, Showing
from nova_lite.model.server import ServerState
from nova_lite.servers import states

ALL_FILTERS = "os_compute_api:servers:allow_all_filters"
DELETED = "deleted"
_FIRST = frozenset({"reservation_id", "name", "status", "image", "flavor", "ip", "changes-since", "all_tenants"})
_TAGS = frozenset({"tags", "tags-any", "not-tags", "not-tags-any"})
_V283 = frozenset(
    {
        *("availability_zone", "config_drive", "key_name", "created_at", "launched_at", "terminated_at", "power_state"),
        *("task_state", "vm_state", "progress", "user_id"),
    }
)
# Filters that every user may use; the others mean nothing but to those of the rule `allow_all_filters`.
FOR_ALL = ByVersion(
    {
        "2.1": _FIRST,
        "2.5": _FIRST | {"ip6"},
        "2.26": _FIRST | {"ip6"} | _TAGS,
        "2.66": _FIRST | {"ip6", "changes-before"} | _TAGS,
        "2.73": _FIRST | {"ip6", "changes-before", "locked"} | _TAGS,
        "2.83": _FIRST | {"ip6", "changes-before", "locked"} | _TAGS | _V283,
        "2.90": _FIRST | {"ip6", "changes-before", "locked", "hostname"} | _TAGS | _V283,
    }
)
UNKNOWN_STATUS_IS_AN_ERROR = ByVersion({"2.1": False, "2.38": True})

# Names of the API, and of our columns.
_SORT_FIRST: Mapping[str, str] = {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "launched_at": "launched_at",
    "terminated_at": "terminated_at",
    "uuid": "id",
    "display_name": "name",
    "display_description": "description",
    "hostname": "hostname",
    "host": "host",
    "node": "host",
    "availability_zone": "availability_zone",
    "config_drive": "config_drive",
    "auto_disk_config": "disk_config",
    "image_ref": "image_id",
    "instance_type_id": "flavor_id",
    "key_name": "key_name",
    "launch_index": "launch_index",
    "power_state": "power_state",
    "project_id": "project_id",
    "user_id": "user_id",
    "vm_state": "state",
    "task_state": "task",
    "locked_by": "locked_by",
    "access_ip_v4": "access_ip_v4",
    "access_ip_v6": "access_ip_v6",
}
SORT_KEYS: ByVersion[Mapping[str, str]] = ByVersion({"2.1": _SORT_FIRST, "2.73": {**_SORT_FIRST, "locked": "locked"}})
SORT_FOR_ADMINS = frozenset({"host", "node"})
# Tables of the original that joined a server's; to name one was always an error.
NEVER = frozenset(
    {"block_device_mapping", "services", "metadata", "system_metadata", "info_cache", "security_groups", "pci_devices"}
)


def read(request: Request, *, all_projects_rule: str) -> tuple[ServerFilter, ServerPage, Page]:
    """Read the whole query. Raises: BadRequest; Forbidden for what only admins may ask."""
    page = pages.read_page(request, zero_is_all=False)
    everything = request.may(ALL_FILTERS)
    asked = _usable(request, everything=everything)
    wanted: dict[str, Any] = {"project_id": _project(request, asked, all_projects_rule), "equal": {}, "matching": {}}
    for name, values in asked.items():
        reader = READERS.get(name)
        if reader is not None:
            reader(wanted, name, values)
    _read_status(request, wanted, asked)
    _read_deleted(request, wanted, asked, everything=everything)
    sort = _sort(request, everything=everything)
    if page.marker is not None and not is_uuid(page.marker):
        raise errors.BadRequest(f"marker [{page.marker}] not found")
    return ServerFilter(**wanted), ServerPage(sort=sort, marker=page.marker, limit=page.fetch), page


def _usable(request: Request, *, everything: bool) -> dict[str, list[str]]:
    allowed = FOR_ALL.at(request.version)
    usable = {name: values for name, values in request.query.items() if everything or name in allowed}
    wrong = next((name for name in usable if name in NEVER or name.startswith("_")), None)
    if wrong is not None:
        raise errors.BadRequest(f"Invalid filter field: {wrong[:64]}.")
    return usable


def _project(request: Request, asked: Mapping[str, list[str]], rule: str) -> str | None:
    """Give the only project whose servers are listed; None for all of them. Without `all_tenants` it is the caller's own."""
    text = (asked.get("all_tenants") or ["false"])[0]
    if text != "" and not flags.read(text, "all_tenants"):
        return request.context.project_id or ""
    request.enforce(rule)
    projects = asked.get("project_id") or asked.get("tenant_id")
    return projects[0] if projects else None


Reader = Callable[[dict[str, Any], str, list[str]], None]


def _equal(column: str) -> Reader:
    def reader(wanted: dict[str, Any], name: str, values: list[str]) -> None:
        wanted["equal"][column] = values[0]

    return reader


def _flag(column: str) -> Reader:
    def reader(wanted: dict[str, Any], name: str, values: list[str]) -> None:
        wanted["equal"][column] = values[0] != "" and flags.read(values[0], name)

    return reader


def _number(column: str) -> Reader:
    def reader(wanted: dict[str, Any], name: str, values: list[str]) -> None:
        if not values[0].isascii() or not values[0].isdigit():
            raise errors.BadRequest(f"Invalid value for {name}: a number is wanted.")
        wanted["equal"][column] = int(values[0][:9])

    return reader


def _pattern(column: str) -> Reader:
    def reader(wanted: dict[str, Any], name: str, values: list[str]) -> None:
        wanted["matching"][column] = patterns.safe(values[0])

    return reader


def _address(wanted: dict[str, Any], name: str, values: list[str]) -> None:
    wanted["ip"] = patterns.safe(values[0], any_character='[^"]')  # an address stands between quotes


def _moment(column: str) -> Reader:
    def reader(wanted: dict[str, Any], name: str, values: list[str]) -> None:
        start = float(int(times.parse(values[0], name)))
        wanted.setdefault("within", {})[column] = (start, start + 1.0)

    return reader


def _changes(field: str) -> Reader:
    def reader(wanted: dict[str, Any], name: str, values: list[str]) -> None:
        wanted[field] = times.bound(values[0], name)

    return reader


def _tags(field: str) -> Reader:
    def reader(wanted: dict[str, Any], name: str, values: list[str]) -> None:
        wanted[field] = tuple(tag for tag in values[0].split(",") if tag)

    return reader


def _vm_state(wanted: dict[str, Any], name: str, values: list[str]) -> None:
    known = {state.value for state in ServerState}
    wanted["showing"] = tuple(Showing(state=value.lower()) for value in values if value.lower() in known)


def _task_state(wanted: dict[str, Any], name: str, values: list[str]) -> None:
    doing = tasks.steps_shown_as(frozenset(value.lower() for value in values))
    wanted["showing"] = tuple(Showing(state=state.value, doing=doing) for state in ServerState)


def _progress(wanted: dict[str, Any], name: str, values: list[str]) -> None:
    if values[0] != "0":
        wanted["ids"] = ()


READERS: Mapping[str, Reader] = {
    "name": _pattern("name"),
    "display_name": _pattern("name"),
    "hostname": _pattern("hostname"),
    "description": _pattern("description"),
    "display_description": _pattern("description"),
    "ip": _address,
    "ip6": _address,
    "uuid": _equal("id"),
    "image": _equal("image_id"),
    "image_ref": _equal("image_id"),
    "flavor": _equal("flavor_id"),
    "host": _equal("host"),
    "node": _pattern("host"),
    "reservation_id": _equal("reservation_id"),
    "availability_zone": _pattern("availability_zone"),
    "key_name": _pattern("key_name"),
    "locked_by": _equal("locked_by"),
    "user_id": _equal("user_id"),
    "auto_disk_config": _equal("disk_config"),
    "access_ip_v4": _equal("access_ip_v4"),
    "access_ip_v6": _equal("access_ip_v6"),
    "config_drive": _flag("config_drive"),
    "locked": _flag("locked"),
    "launch_index": _number("launch_index"),
    "power_state": _number("power_state"),
    "created_at": _moment("created_at"),
    "launched_at": _moment("launched_at"),
    "terminated_at": _moment("terminated_at"),
    "changes-since": _changes("changed_since"),
    "changes-before": _changes("changed_before"),
    "tags": _tags("tags_all"),
    "tags-any": _tags("tags_any"),
    "not-tags": _tags("tags_not_all"),
    "not-tags-any": _tags("tags_not_any"),
    "vm_state": _vm_state,
    "task_state": _task_state,
    "progress": _progress,
}


def _read_status(request: Request, wanted: dict[str, Any], asked: Mapping[str, list[str]]) -> None:
    names = [name.upper() for name in asked.get("status", ()) if name != ""]
    if not names:
        return
    if not KNOWN_STATUS.intersection(names) and UNKNOWN_STATUS_IS_AN_ERROR.at(request.version):
        raise errors.BadRequest(f"Invalid status value: {names[0][:64]}.")
    if "DELETED" in names:
        if not request.context.sees_all_projects:
            raise errors.Forbidden("Only administrators may list deleted instances")
        wanted[DELETED] = True
    wanted["showing"] = tuple(showing for name in names for showing in _showings(name))


KNOWN_STATUS = frozenset(states.STATUS.values()) | frozenset(states.STATUS_DURING.values())


def _showings(status: str) -> list[Showing]:
    """Say which states, with which tasks, have a status."""
    found = []
    for state, usual in states.STATUS.items():
        special = {task: shown for (begun, task), shown in states.STATUS_DURING.items() if begun is state}
        if usual == status:
            found.append(Showing(state=state.value, not_doing=tasks.steps_shown_as(frozenset(special))))
        same = frozenset(task for task, shown in special.items() if shown == status)
        if same:
            found.append(Showing(state=state.value, doing=tasks.steps_shown_as(same)))
    return found


def _read_deleted(request: Request, wanted: dict[str, Any], asked: Mapping[str, list[str]], *, everything: bool) -> None:
    if DELETED in wanted:
        return
    if "changes-since" in asked or "changes-before" in asked:
        wanted[DELETED] = None
    if everything and DELETED in asked:
        wanted[DELETED] = asked[DELETED][0].lower() in flags.YES
    since, before = wanted.get("changed_since"), wanted.get("changed_before")
    if since is not None and before is not None and since > before:
        raise errors.BadRequest("The value of changes-since must be less than or equal to changes-before.")


def _sort(request: Request, *, everything: bool) -> tuple[tuple[str, bool], ...]:
    """Read sort keys and directions; where one lacks the first one counts, else downwards. Age and id break ties."""
    keys = request.query.get("sort_key", [])
    directions = request.query.get("sort_dir", [])
    if len(directions) > len(keys) and keys:
        raise errors.BadRequest("Sort direction size exceeds sort key size")
    usual = directions[0] if directions else "desc"
    columns = SORT_KEYS.at(request.version)
    chosen: dict[str, bool] = {}
    for key, direction in itertools.zip_longest(keys, directions[: len(keys)], fillvalue=usual):
        if key in SORT_FOR_ADMINS and not everything:
            raise errors.Forbidden(f"Only administrators can sort servers by {key}.")
        if key in columns:
            chosen.setdefault(columns[key], direction == "desc")
    chosen.setdefault("created_at", usual == "desc")
    chosen.setdefault("id", usual == "desc")
    return tuple(chosen.items())
