"""Lists in Identity's shape: filters from the query, a page when one is asked, links."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from nova_lite import errors
from nova_lite.api.pages import cut, next_href, read_page
from nova_lite.api.route import Answer, Request
from nova_lite.db.identity import Rows

T = TypeVar("T")

TRUE = frozenset({"", "1", "true", "yes", "y", "on"})
FALSE = frozenset({"0", "false", "no", "n", "off"})
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
    """Give the filters of the query that name a value exactly. Raises: BadRequest for one that names nothing."""
    found = {name: value for name in names if (value := request.first(name)) is not None}
    for name, value in found.items():
        if not value:
            raise errors.BadRequest(f"The filter {name} is empty.")
    return found


def _passes(view: dict[str, Any], request: Request) -> bool:
    """Whether a thing fits `enabled` and filters such as `name__contains`."""
    for name, values in request.query.items():
        field, _, way = name.partition("__")
        if way in _WAYS and not _WAYS[way](str(view.get(field) or ""), values[0]):
            return False
    enabled = flag(request, "enabled")
    return enabled is None or "enabled" not in view or view["enabled"] == enabled


def own_domain_only(request: Request, equal: dict[str, Any]) -> dict[str, Any]:
    """Narrow filters to the caller's domain when its token is of one: nobody sees others with such a token."""
    own = request.context.domain_id
    if own is None:
        return equal
    return equal | {"domain_id": own if equal.get("domain_id", own) == own else []}


def answer_rows(
    request: Request,
    noun: str,
    rows: Rows[T],
    equal: dict[str, Any],
    view: Callable[[Request, T], dict[str, Any]],
    *,
    fits: Callable[[T], bool] | None = None,
) -> Answer:
    """Answer a list of the rows of a table that have these values and, if it is asked, fit.

    A page is read from the database as such, unless it is one of what only views can be compared with, or ordered by.
    Raises: as `answer_list`.
    """
    if fits is None and request.first("limit") and not any(_needs_views(name) for name in request.query):
        return _answer_page(request, noun, rows, equal, view)
    with request.parts.database.read() as tx:
        found = rows.list_by(tx, **equal)
    return answer_list(request, noun, [view(request, row) for row in found if fits is None or fits(row)])


def _needs_views(name: str) -> bool:
    """Whether a field of the query sorts, or filters by a part of a text."""
    return name in ("sort_key", "sort_dir") or name.rpartition("__")[2] in _WAYS


def _answer_page(
    request: Request, noun: str, rows: Rows[T], equal: dict[str, Any], view: Callable[[Request, T], dict[str, Any]]
) -> Answer:
    page, enabled = read_page(request), flag(request, "enabled")
    if enabled is not None and "enabled" in rows.table.c:
        equal = equal | {"enabled": enabled}
    with request.parts.database.read() as tx:
        found = rows.page_by(tx, after=page.marker, most=page.fetch, **equal)
    return _page(request, noun, *cut(page, [view(request, row) for row in found]))


def _page(request: Request, noun: str, found: list[dict[str, Any]], more_follow: bool, **more: Any) -> Answer:
    links = {"next": None, "self": _self(request), "previous": None}
    if more_follow and found:
        links["next"] = next_href(request, _path(request), found[-1]["id"])
        more["truncated"] = True
    return Answer(body={noun: found, "links": links, **more})


def answer_list(request: Request, noun: str, views: Iterable[dict[str, Any]], *, paged: bool = True, **more: Any) -> Answer:
    """Answer a list named `noun`: filtered, sorted, and with `limit` cut to a page that starts after `marker`.

    What has no id of its own cannot be a marker: such lists are not `paged`, and take no notice of a limit.

    Raises: BadRequest for an impossible limit or order; NotFound for a marker that is not in the list.
    """
    found = _sorted([view for view in views if _passes(view, request)], request)
    if not paged:
        return _page(request, noun, found, False, **more)
    page = read_page(request)
    if page.marker is not None:
        places = {view.get("id"): place for place, view in enumerate(found)}
        if page.marker not in places:
            raise errors.NotFound(f"Could not find marker: {page.marker[:64]}.")
        found = found[places[page.marker] + 1 :]
    found, more_follow = cut(page, found) if request.first("limit") else (found, False)
    return _page(request, noun, found, more_follow, **more)


def _sorted(found: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    """Put a list into the order of `sort_key` and `sort_dir`; what has no such field comes last."""
    way = request.first("sort_dir", "asc")
    if way not in ("asc", "desc"):
        raise errors.BadRequest("sort_dir must be asc or desc.")
    key = request.first("sort_key")
    if not key:
        return found
    with_it = [view for view in found if view.get(key) is not None]
    without = [view for view in found if view.get(key) is None]
    return sorted(with_it, key=lambda view: str(view[key]), reverse=way == "desc") + without


def _path(request: Request) -> str:
    """Give the path of the request below the versioned root."""
    root = request.service_url.removeprefix(request.url_root)
    return request.path.removeprefix(root)


def _self(request: Request) -> str:
    """Give the address that was asked, as it was written."""
    query = request.raw.query_string
    address = request.url_root + request.path
    return f"{address}?{query}" if query else address
