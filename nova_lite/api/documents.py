"""The version documents: what clients read first to learn where an API is and what it keeps."""

from __future__ import annotations

import functools
from typing import Any

from nova_lite import errors
from nova_lite.api.route import Answer, Request, Route

UPDATED = "2026-01-01T00:00:00Z"


def _route(path: str, handler: Any) -> Route:
    return Route("GET", path, handler, token=False)


def _self_link(href: str) -> dict[str, str]:
    return {"rel": "self", "href": href}


def index_route(names: list[str]) -> Route:
    """Make `GET /`: which services are here, each with its address."""

    def list_services(request: Request) -> Answer:
        services = [{"name": name, "links": [_self_link(f"{request.url_root}/{name}")]} for name in names]
        return Answer(body={"name": "nova-lite", "services": services})

    return _route("/", list_services)


def identity_routes() -> tuple[Route, ...]:
    """Make Keystone's documents: 300 with the list at `/identity`, one version at `/identity/v3`."""

    def version(request: Request) -> dict[str, Any]:
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": UPDATED,
            "links": [_self_link(f"{request.url_root}/identity/v3/")],
            "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
        }

    def list_versions(request: Request) -> Answer:
        return Answer(
            status=300,
            body={"versions": {"values": [version(request)]}},
            headers={"Vary": "X-Auth-Token", "Location": f"{request.url_root}/identity/v3/"},
        )

    def show_version(request: Request) -> Answer:
        return Answer(body={"version": version(request)}, headers={"Vary": "X-Auth-Token"})

    return (_route("/identity", list_versions), _route("/identity/v3", show_version))


def compute_routes(least: str, most: str) -> tuple[Route, ...]:
    """Make Nova's documents: the list at `/compute`, each version with its media types at its path, and by its name.

    v2.0 is the same API for clients that know of no microversions.
    """
    roots = {"v2.0": "/compute/v2", "v2.1": "/compute/v2.1"}

    def version(request: Request, name: str) -> dict[str, Any]:
        current = name == "v2.1"
        return {
            "id": name,
            "status": "CURRENT" if current else "SUPPORTED",
            "version": most if current else "",
            "min_version": least if current else "",
            "updated": "2013-07-23T11:33:21Z" if current else "2011-01-21T11:33:21Z",
            "links": [_self_link(f"{request.url_root}{roots[name]}/")],
        }

    def list_versions(request: Request) -> Answer:
        return Answer(body={"versions": [version(request, name) for name in roots]})

    def show(name: str, request: Request) -> Answer:
        major = name.removeprefix("v").removesuffix(".0")
        media = [{"base": "application/json", "type": f"application/vnd.openstack.compute+json;version={major}"}]
        return Answer(body={"version": version(request, name) | {"media-types": media}})

    def show_named(request: Request) -> Answer:
        name = request.params["version_id"]
        if name not in roots:
            raise errors.NotFound(f"API version {name[:64]} is not kept here.")
        return show(name, request)

    shown = [_route(root, functools.partial(show, name)) for name, root in roots.items()]
    named = [_route(f"{root}/versions/{{version_id}}", show_named) for root in roots.values()]
    return (_route("/compute", list_versions), *shown, *named)


def image_routes(minors: tuple[str, ...]) -> tuple[Route, ...]:
    """Make Glance's document: 300 with every minor version that is kept, at `/image` and `/image/versions` (200)."""

    def versions(request: Request) -> dict[str, Any]:
        link = [_self_link(f"{request.url_root}/image/v2/")]
        newest = minors[-1]
        return {
            "versions": [
                {"id": f"v{minor}", "status": "CURRENT" if minor == newest else "SUPPORTED", "links": link}
                for minor in reversed(minors)
            ]
        }

    def list_choices(request: Request) -> Answer:
        return Answer(status=300, body=versions(request))

    def list_versions(request: Request) -> Answer:
        return Answer(body=versions(request))

    return (_route("/image", list_choices), _route("/image/v2", list_choices), _route("/image/versions", list_versions))


def network_routes() -> tuple[Route, ...]:
    """Make Neutron's documents: the list at `/network`, the resources at `/network/v2.0`."""

    def list_versions(request: Request) -> Answer:
        link = [_self_link(f"{request.url_root}/network/v2.0/")]
        return Answer(body={"versions": [{"id": "v2.0", "status": "CURRENT", "links": link}]})

    def list_resources(request: Request) -> Answer:
        names = ("networks", "subnets", "ports")
        resources = [
            {"name": name[:-1], "collection": name, "links": [_self_link(f"{request.service_url}/{name}")]} for name in names
        ]
        return Answer(body={"resources": resources})

    return (_route("/network", list_versions), _route("/network/v2.0", list_resources))
