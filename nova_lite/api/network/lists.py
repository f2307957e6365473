"""Lists in the Network API's way: filters by any attribute, chosen fields, sorting, pages forwards and backwards."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nova_lite import errors
from nova_lite.api.network.views.attributes import View
from nova_lite.api.pages import read_page
from nova_lite.api.route import Answer, Request

CONTROLS = frozenset({"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"})
TRUE = frozenset({"1", "true", "t", "yes", "on"})
FALSE = frozenset({"0", "false", "f", "no", "off"})
PARTS_OF_ADDRESSES = ("subnet_id", "ip_address", "ip_address_substr")


@dataclasses.dataclass(frozen=True)
class Noun:
    """A resource: `port`, and all attributes it may have, seen by the caller or not."""

    name: str
    attributes: frozenset[str]
    guarded: tuple[str, ...] = ()

    @property
    def plural(self) -> str:
        """Give the name of its list."""
        return self.name + "s"

    def missing(self, wanted: str) -> errors.NotFound:
        """Make the error for one that there is not, or not for the caller."""
        title = self.name.capitalize()
        return errors.NotFound(f"{title} {wanted} could not be found.", type=f"{title}NotFound")


def flag(text: str, what: str) -> bool:
    """Read a yes or no. Raises: BadRequest naming `what`."""
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise errors.BadRequest(f"Invalid input for {what}: true or false is wanted.", type="InvalidInput")


def hidden(request: Request, noun: Noun) -> frozenset[str]:
    """Give the guarded attributes the caller may not see."""
    return frozenset(name for name in noun.guarded if not request.may(f"get_{noun.name}:{name}"))


def answer_one(request: Request, noun: Noun, view: View, status: int = 200) -> Answer:
    """Answer one resource, with the fields asked for."""
    return Answer(status=status, body={noun.name: _shown(view, hidden(request, noun), _fields(request))})


def answer_list(request: Request, noun: Noun, views: Iterable[View]) -> Answer:
    """Answer those that pass the query's filters, sorted and cut to a page.

    Raises: BadRequest for attributes that there are not; NotFound for an unknown marker.
    """
    unknown = sorted(set(request.query) - noun.attributes - CONTROLS)
    if unknown:
        raise errors.BadRequest(f"{unknown} is invalid attribute for filtering")
    veiled = hidden(request, noun)
    filters = {name: values for name, values in request.query.items() if name not in CONTROLS}
    seen = (_shown(view, veiled) for view in views)
    found = [view for view in seen if all(_passes(view, name, values) for name, values in filters.items())]
    _sort(request, noun, found)
    shown, links = _page(request, noun, found)
    fields = _fields(request)
    body: dict[str, Any] = {noun.plural: [_shown(view, frozenset(), fields) for view in shown]}
    if links:
        body[f"{noun.plural}_links"] = links
    return Answer(body=body)


def _fields(request: Request) -> frozenset[str]:
    return frozenset(request.query.get("fields", ())) - {""}


def _shown(view: View, veiled: frozenset[str], fields: frozenset[str] = frozenset()) -> View:
    return {name: value for name, value in view.items() if name not in veiled and (not fields or name in fields)}


def _passes(view: View, name: str, wanted: Sequence[str]) -> bool:
    """Whether an attribute has one of the values wanted."""
    value = view.get(name)
    if name == "fixed_ips":
        return _has_address(value, wanted)
    if isinstance(value, bool):
        return value in [flag(text, name) for text in wanted]
    if isinstance(value, list):
        return any(text in value for text in wanted)
    return ("" if value is None else str(value)) in wanted


def _has_address(fixed_ips: Any, wanted: Sequence[str]) -> bool:
    """Whether an address fits `subnet_id=`, `ip_address=` and `ip_address_substr=`: one of each that is given."""
    asked: dict[str, list[str]] = {}
    for text in wanted:
        part, _, value = text.partition("=")
        if part not in PARTS_OF_ADDRESSES:
            raise errors.BadRequest(f"Invalid input for fixed_ips: one of {', '.join(PARTS_OF_ADDRESSES)} is wanted.")
        asked.setdefault(part, []).append(value)
    return any(all(_fits(fixed, part, values) for part, values in asked.items()) for fixed in fixed_ips)


def _fits(fixed: Mapping[str, str], part: str, values: Sequence[str]) -> bool:
    if part == "ip_address_substr":
        return any(value in fixed["ip_address"] for value in values)
    return fixed[part] in values


def _sort(request: Request, noun: Noun, views: list[View]) -> None:
    """Sort by the keys asked for; the oldest come first otherwise."""
    keys, ways = request.query.get("sort_key", []), request.query.get("sort_dir", [])
    if len(keys) != len(ways):
        raise errors.BadRequest("The number of sort_keys and sort_dirs must be same")
    for key, way in reversed(list(zip(keys, ways, strict=True))):
        if way not in ("asc", "desc"):
            raise errors.BadRequest("The value of sort_dirs must be asc or desc.")
        if key not in noun.attributes or any(isinstance(view.get(key), list | dict) for view in views):
            raise errors.BadRequest(f"{key[:64]} is invalid attribute for sort_keys")
        views.sort(key=lambda view: _rank(view.get(key)), reverse=way == "desc")


def _rank(value: Any) -> tuple[bool, Any]:
    """Put what has no value first."""
    return (False, 0) if value is None else (True, value)


def _page(request: Request, noun: Noun, found: list[View]) -> tuple[list[View], list[dict[str, str]]]:
    """Cut to the page after the marker (before it with `page_reverse`), and link to its neighbours."""
    page = read_page(request)
    backwards = flag(request.first("page_reverse") or "false", "page_reverse")
    if page.marker is None:
        start = max(0, len(found) - page.limit) if backwards else 0
        end = len(found) if backwards else page.limit
    else:
        place = next((index for index, view in enumerate(found) if view["id"] == page.marker), None)
        if place is None:
            raise noun.missing(page.marker)
        start = max(0, place - page.limit) if backwards else place + 1
        end = place if backwards else start + page.limit
    shown = found[start:end]
    links = []
    if shown and end < len(found):
        links.append({"rel": "next", "href": _href(request, noun, shown[-1]["id"])})
    if shown and start > 0:
        links.append({"rel": "previous", "href": _href(request, noun, shown[0]["id"], backwards=True)})
    return shown, links


def _href(request: Request, noun: Noun, marker: str, *, backwards: bool = False) -> str:
    kept = [(name, value) for name, values in request.query.items() for value in values]
    query = [(name, value) for name, value in kept if name not in ("marker", "page_reverse")]
    query += [("marker", marker), *([("page_reverse", "True")] if backwards else [])]
    return f"{request.service_url}/{noun.plural}?{urllib.parse.urlencode(query)}"


def seen_by(request: Request) -> str | None:
    """Give the project whose resources the caller sees; None for all."""
    return None if request.context.sees_all_projects else request.context.project_id or ""
