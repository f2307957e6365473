"""The WSGI application: every service's routes under its path, and one place where errors become answers."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable

import falcon

from nova_lite import errors
from nova_lite.api import documents
from nova_lite.api.dispatch import Front, Resource, template
from nova_lite.api.health import Health, Metrics
from nova_lite.api.parts import Parts
from nova_lite.api.route import Route
from nova_lite.api.service import Service
from nova_lite.api.services import DOCUMENTS_SERVICE, load
from nova_lite.conf.api import SERVICES


def make_app(parts: Parts, services: Iterable[str] | None = None) -> falcon.App:
    """Build the application. `services` are the names to serve (`conf.api.SERVICES`), all by default.

    Identity is not among them where an outside Keystone has it. Raises: ConfigError when it is asked for nevertheless.
    """
    if not parts.auth_url:
        return assemble(parts, load(services))
    if services is not None and "identity" in services:
        raise errors.ConfigError("--services identity: with [identity] mode = keystone it is served there, not here.")
    app = assemble(parts, load(services or [name for name in SERVICES if name != "identity"]))
    app.add_sink(functools.partial(_say_where, parts.auth_url), "/identity")
    return app


def _say_where(auth_url: str, _raw: falcon.Request, _response: falcon.Response, **_fields: str) -> None:
    """Answer for Identity where it is not served: clients with an old address learn the right one. Raises: NotFound."""
    raise errors.NotFound(f"Identity is not served here; log in at {auth_url}.")


def assemble(parts: Parts, served: list[Service]) -> falcon.App:
    """Build an application of these services."""
    app = falcon.App(media_type=falcon.MEDIA_JSON, cors_enable=False)
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.keep_blank_qs_values = True
    fronts = [Front(root, parts) for service in served for root in service.roots()]
    failures = Failures(fronts, Front(DOCUMENTS_SERVICE, parts))
    app.add_error_handler((Exception, falcon.HTTPError), failures.answer)
    for front in failures.fronts:
        _mount(app, front, front.service)
    root = Resource(failures.otherwise, [documents.index_route(list(dict.fromkeys(service.name for service in served)))])
    app.add_route("/", root)
    app.add_route("/healthz", Health(parts))
    app.add_route("/metrics", Metrics(parts))
    return app


def _mount(app: falcon.App, front: Front, service: Service) -> None:
    """Add a service's routes, one resource a path."""
    paths: dict[str, list[Route]] = defaultdict(list)
    for route in service.documents:
        paths[template(route.path)].append(route)
    for route in service.routes:
        paths[template(service.root + route.path)].append(route)
    for path, routes in paths.items():
        app.add_route(path, Resource(front, routes))


class Failures:
    """Finds whose language an error is to be told in."""

    def __init__(self, fronts: list[Front], otherwise: Front) -> None:
        """`otherwise` answers for paths of no service."""
        self.fronts = fronts
        self.otherwise = otherwise

    def answer(self, raw: falcon.Request, response: falcon.Response, error: Exception, _params: object) -> None:
        """Falcon's error handler for everything."""
        if isinstance(error, falcon.HTTPMethodNotAllowed) and raw.env["PATH_INFO"].endswith("/"):
            error = errors.NotFound()  # an empty id, not the collection
        self._front(raw.path).fail(raw, response, error)

    def _front(self, path: str) -> Front:
        of_service = [front for front in self.fronts if _is_below(path, front.service.prefix)]
        of_root = [front for front in of_service if _is_below(path, front.service.root)]
        return (of_root or of_service or [self.otherwise])[0]


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")
