"""The older form of paths, with the project in it: `/compute/v2.1/<project>/servers`."""

from __future__ import annotations

import dataclasses
import functools

from nova_lite import errors
from nova_lite.api.route import Answer, Handler, Request, Route

FIELD = "url_project"


def with_project(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Give the routes once more, below the caller's project."""
    return tuple(
        dataclasses.replace(route, path=f"/{{{FIELD}}}{route.path}", handler=_checked(route.handler)) for route in routes
    )


def _checked(handler: Handler) -> Handler:
    @functools.wraps(handler)
    def checked(request: Request) -> Answer:
        named = request.params[FIELD]
        if not all(letter in "0123456789abcdef-" for letter in named):
            raise errors.NotFound
        if named != request.context.project_id:
            raise errors.BadRequest(
                f"Malformed request URL: URL's project_id '{named}' doesn't match "
                f"Context's project_id '{request.context.project_id}'"
            )
        request.service_url = f"{request.service_url}/{named}"
        return handler(request)

    return checked
