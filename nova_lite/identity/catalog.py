"""The catalog: which services there are, and where."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import endpoint_filter
from nova_lite.model.identity import CatalogEndpoint, Region

INTERFACES = ("public", "internal", "admin")


def show(tx: Tx, project_id: str | None) -> list[dict[str, Any]]:
    """Give the catalog as tokens show it: enabled services with their enabled endpoints.

    Where endpoints were chosen for the project, only those are shown. URLs may hold `$(project_id)s`; such endpoints are
    left out of tokens without a project.
    """
    endpoints: dict[str, list[dict[str, Any]]] = {}
    for endpoint in endpoint_filter.visible(tx, project_id, db.ENDPOINTS.list_by(tx, enabled=True)):
        url = _filled(endpoint.url, project_id)
        if url is not None:
            endpoints.setdefault(endpoint.service_id, []).append(_entry(endpoint, url))
    return [
        {"id": service.id, "type": service.type, "name": service.name, "endpoints": endpoints[service.id]}
        for service in db.SERVICES.list_by(tx, enabled=True)
        if service.id in endpoints
    ]


def _filled(url: str, project_id: str | None) -> str | None:
    for mark in ("$(project_id)s", "$(tenant_id)s", "%(project_id)s", "%(tenant_id)s"):
        if mark in url:
            if project_id is None:
                return None
            url = url.replace(mark, project_id)
    return url


def _entry(endpoint: CatalogEndpoint, url: str) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "interface": endpoint.interface,
        "region_id": endpoint.region_id,
        "region": endpoint.region_id,
        "url": url,
    }


def create_region(tx: Tx, region: Region) -> Region:
    """Add a region. Raises: NotFound for its parent; Conflict for its id."""
    if region.parent_region_id:
        db.REGIONS.get(tx, region.parent_region_id)
    return db.REGIONS.insert(tx, region)


def delete_region(tx: Tx, region_id: str) -> None:
    """Remove a region. Raises: NotFound; Conflict while others are in it or endpoints name it."""
    db.REGIONS.get(tx, region_id)
    if db.REGIONS.find_by(tx, parent_region_id=region_id):
        raise errors.Forbidden("The region has regions below it.")
    if db.ENDPOINTS.find_by(tx, region_id=region_id):
        raise errors.Conflict("Endpoints of the catalog are in this region.")
    db.REGIONS.delete(tx, region_id)


def create_endpoint(tx: Tx, endpoint: CatalogEndpoint) -> CatalogEndpoint:
    """Add an endpoint. Raises: BadRequest for a service or region that does not exist."""
    check_endpoint(tx, endpoint.service_id, endpoint.region_id)
    return db.ENDPOINTS.insert(tx, endpoint)


def check_endpoint(tx: Tx, service_id: str | None, region_id: str | None) -> None:
    """Raises: BadRequest when an endpoint would name a service or region that does not exist."""
    if service_id is not None and db.SERVICES.find(tx, service_id) is None:
        raise errors.BadRequest(f"There is no service {service_id[:64]}.")
    if region_id is not None and db.REGIONS.find(tx, region_id) is None:
        raise errors.BadRequest(f"There is no region {region_id[:255]}.")
