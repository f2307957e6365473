"""The catalog: which services there are, and where."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.db import hierarchy
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import endpoint_filter
from nova_lite.model.identity import CatalogEndpoint, Region

MARKS = ("$(project_id)s", "$(tenant_id)s", "%(project_id)s", "%(tenant_id)s")
INTERFACES = ("public", "internal", "admin")


def show(tx: Tx, project_id: str | None) -> list[dict[str, Any]]:
    """Give the catalog as tokens show it: enabled services with their enabled endpoints.

    Where endpoints were chosen for the project, only those are shown, and only their services; elsewhere services without
    endpoints too, as in Keystone. URLs may hold `$(project_id)s`; such endpoints are left out of tokens without a project.
    """
    chosen = {endpoint.id for endpoint in endpoint_filter.chosen_for(tx, project_id)} if project_id else set()
    endpoints: dict[str, list[dict[str, Any]]] = {}
    for endpoint in db.ENDPOINTS.list_by(tx, enabled=True):
        url = _filled(endpoint.url, project_id)
        if url is not None and (not chosen or endpoint.id in chosen):
            endpoints.setdefault(endpoint.service_id, []).append(_entry(endpoint, url))
    return [
        {"id": service.id, "type": service.type, "name": service.name, "endpoints": endpoints.get(service.id, [])}
        for service in db.SERVICES.list_by(tx, enabled=True)
        if not chosen or service.id in endpoints
    ]


def _filled(url: str, project_id: str | None) -> str | None:
    for mark in MARKS:
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
    if region.parent_region_id is not None and region.parent_region_id != region.id:
        db.REGIONS.get(tx, region.parent_region_id)
    if region.parent_region_id == region.id:
        raise errors.NotFound(f"Could not find region: {region.id[:255]}.")  # it is not there yet
    return db.REGIONS.insert(tx, region)


def update_region(tx: Tx, region: Region, changes: dict[str, Any]) -> Region:
    """Change columns. Raises: NotFound for the parent; BadRequest when the region would be in itself."""
    parent = changes.get("parent_region_id")
    if parent is not None:
        db.REGIONS.get(tx, parent)
        if parent in hierarchy.regions_below(tx, region.id):
            raise errors.BadRequest(f"The region {region.id[:255]} would be in itself.")
    return db.REGIONS.update(tx, region.id, **changes)


def delete_region(tx: Tx, region_id: str) -> None:
    """Remove a region and those in it. Raises: NotFound; Forbidden while an endpoint is in one of them."""
    db.REGIONS.get(tx, region_id)
    every = hierarchy.regions_below(tx, region_id)
    if hierarchy.has_endpoints(tx, every):
        raise errors.Forbidden("Endpoints of the catalog are in this region, or in one within it.")
    hierarchy.delete_regions(tx, every)


def ensure_region(tx: Tx, region_id: str) -> None:
    """Make a region that an endpoint names in the old way, by `region`, unless there is one."""
    if db.REGIONS.find(tx, region_id) is None:
        db.REGIONS.insert(tx, Region(id=region_id))


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


def check_url(url: str) -> None:
    """Raises: BadRequest when a URL holds a place to fill in that is not a project's id."""
    rest = url
    for mark in MARKS:
        rest = rest.replace(mark, "")
    if "$(" in rest or "%(" in rest:
        raise errors.BadRequest(
            "Only project_id and tenant_id can be filled into the URL of an endpoint, as in %(project_id)s."
        )
