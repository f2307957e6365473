"""Reads refuse query parameters that they do not know, from one microversion on: all of them, whatever their own table says."""

from __future__ import annotations

import dataclasses

from nova_lite.api.microversion import ByVersion, parse
from nova_lite.api.route import Route, SchemaSource
from nova_lite.api.validate import JsonSchema, query

SINCE = "2.102"


def with_strict_queries(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Give the routes, each GET with a schema of its query that allows nothing else from `SINCE` on."""
    return tuple(dataclasses.replace(route, query=_strict(route.query)) if route.method == "GET" else route for route in routes)


def _strict(source: SchemaSource) -> ByVersion[JsonSchema]:
    table = source if isinstance(source, ByVersion) else ByVersion({"2.1": query({}) if source is None else source})
    return table.then(SINCE, table.at(parse(SINCE)) | {"additionalProperties": False})
