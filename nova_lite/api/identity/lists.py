"""Lists in Identity's shape: filters from the query, a page when one is asked, links."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

from nova_lite import errors
from nova_lite.api.pages import cut, next_href, read_page
from nova_lite.api.route import Answer, Request

TRUE = frozenset({"", "1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
_WAYS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, text: text in value,
    "icontains": lambda value, text: text.lower() in value.lower(),
    "startswith": lambda value, text: value.startswith(text),
    "istartswith": lambda value, text: value.lower().startswith(text.lower()),
    "endswith": lambda value, text: value.endswith(text),
    "iendswith": lambda value, text: value.lower().endswith(text.lower()),
}


def flag(request: Request, name: str) -> bool | None:
    """Read a yes or no of the query; given without a value it is yes. Raises: BadRequest."""
    text = request.first(name)
    if text is None:
        return None
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise errors.BadRequest(f"{name} must be true or false.")


def exact(request: Request, *names: str) -> dict[str, str]:
    """Give the filters of the query that name a value exactly."""
    return {name: value for name in names if (value := request.first(name)) is not None}


def _passes(view: dict[str, Any], request: Request) -> bool:
    """Whether a thing fits `enabled` and filters such as `name__contains`."""
    for name, values in request.query.items():
        field, _, way = name.partition("__")
        if way in _WAYS and not _WAYS[way](str(view.get(field) or ""), values[0]):
            return False
    enabled = flag(request, "enabled")
    return enabled is None or "enabled" not in view or view["enabled"] == enabled


def answer_list(request: Request, noun: str, views: Iterable[dict[str, Any]], **more: Any) -> Answer:
    """Answer a list named `noun`. With `limit` it is cut to a page that starts after `marker`."""
    found = [view for view in views if _passes(view, request)]
    following = None
    if request.first("limit"):
        page = read_page(request)
        start = next((place + 1 for place, view in enumerate(found) if view.get("id") == page.marker), 0)
        found, more_follow = cut(page, found[start:])
        if more_follow:
            following = next_href(request, request.route.path, found[-1]["id"])
    links = {"next": following, "self": _self(request), "previous": None}
    return Answer(body={noun: found, "links": links, **more})


def _self(request: Request) -> str:
    query = urllib.parse.urlencode([(name, value) for name, values in request.query.items() for value in values])
    address = request.url_root + request.path
    return f"{address}?{query}" if query else address
