"""Paging: limit and marker in, links to the next page out."""

from __future__ import annotations

import dataclasses
import urllib.parse
from typing import Any

from nova_lite import errors
from nova_lite.api.route import Request

MAX_LIMIT = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """What part of a list is asked: at most `limit` things, after the one named `marker`."""

    limit: int
    marker: str | None

    @property
    def fetch(self) -> int:
        """How many to read: one more than is shown tells whether another page follows."""
        return self.limit + 1


def read_page(request: Request, *, max_limit: int = MAX_LIMIT, zero_is_all: bool = True) -> Page:
    """Read `limit` and `marker`; limits over `max_limit` are cut to it.

    A limit of 0 means as many as possible (`zero_is_all`), or none, as in Image and in Compute's servers and flavors.
    Raises: BadRequest when the limit is no number from 0 up.
    """
    marker = request.first("marker") or None
    text = request.first("limit")
    if text is None or text == "":
        return Page(limit=max_limit, marker=marker)
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise errors.BadRequest("limit must be a whole number, 0 or more.")
    limit = int(text)
    if limit == 0 and zero_is_all:
        limit = max_limit
    return Page(limit=min(limit, max_limit), marker=marker)


def next_query(request: Request, marker: str) -> str:
    """Give the query of the next page: the present one with another marker."""
    fields = [(name, value) for name, values in request.query.items() if name != "marker" for value in values]
    return urllib.parse.urlencode([*fields, ("marker", marker)])


def next_href(request: Request, path: str, marker: str) -> str:
    """Give the address of the next page of `path` (from the versioned root, as in the route table)."""
    return f"{request.service_url}{path}?{next_query(request, marker)}"


def next_links(request: Request, path: str, marker: str | None) -> list[dict[str, str]]:
    """Give Compute's and Network's list of links: empty on the last page (`marker` None)."""
    return [] if marker is None else [{"rel": "next", "href": next_href(request, path, marker)}]


def cut(page: Page, found: list[Any]) -> tuple[list[Any], bool]:
    """Cut what was read with `page.fetch` to the page; tell whether more follows."""
    return found[: page.limit], len(found) > page.limit
