"""Regions, services and endpoints."""

from __future__ import annotations

import uuid
from typing import Any

from nova_lite import errors
from nova_lite.api.identity.columns import check_id, merged, split
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.db import limits
from nova_lite.db.engine import Tx
from nova_lite.identity import catalog
from nova_lite.identity.projects import new_id
from nova_lite.model.identity import CatalogEndpoint, CatalogService, Region

LONGEST_ID = 255  # of a region; others are made here


def list_regions(request: Request) -> Answer:
    """GET /regions."""
    with request.parts.database.read() as tx:
        found = db.REGIONS.list_by(tx, **exact(request, "parent_region_id"))
    return answer_list(request, "regions", [records.region(request, region) for region in found])


def show_region(request: Request) -> Answer:
    """GET /regions/{region_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"region": records.region(request, db.REGIONS.get(tx, request.params["region_id"]))})


REGION = ("description", "parent_region_id")
SERVICE = ("type", "name", "description", "enabled")
ENDPOINT = ("service_id", "interface", "url", "region_id", "enabled")


def create_region(request: Request) -> Answer:
    """POST /regions, and PUT /regions/{region_id}."""
    body = request.body["region"]
    named = request.params.get("region_id")
    if named and body.get("id") not in (None, named):
        raise errors.BadRequest("The region's id in the body is not the one in the path.")
    if named and len(named) > LONGEST_ID:
        raise errors.BadRequest(f"A region's id has at most {LONGEST_ID} characters.")
    columns, extra = split(body, REGION)
    columns["description"] = columns.get("description") or ""
    region = Region(id=named or body.get("id") or uuid.uuid4().hex, extra=merged({}, extra), **columns)
    request.parts.database.transact(lambda tx: catalog.create_region(tx, region))
    return Answer(status=201, body={"region": records.region(request, region)})


def update_region(request: Request) -> Answer:
    """PATCH /regions/{region_id}."""
    body = request.body["region"]
    columns, extra = split(body, REGION)
    if "description" in columns:
        columns["description"] = columns["description"] or ""

    def work(tx: Tx) -> Region:
        region = db.REGIONS.hold(tx, request.params["region_id"])
        check_id(body, region.id)
        return catalog.update_region(tx, region, columns | {"extra": merged(region.extra, extra)})

    return Answer(body={"region": records.region(request, request.parts.database.transact(work))})


def delete_region(request: Request) -> Answer:
    """DELETE /regions/{region_id}."""
    request.parts.database.transact(lambda tx: catalog.delete_region(tx, request.params["region_id"]))
    return Answer(status=204)


def list_services(request: Request) -> Answer:
    """GET /services, with filters."""
    with request.parts.database.read() as tx:
        found = db.SERVICES.list_by(tx, **exact(request, "type", "name"))
    return answer_list(request, "services", [records.service(request, service) for service in found])


def show_service(request: Request) -> Answer:
    """GET /services/{service_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"service": records.service(request, db.SERVICES.get(tx, request.params["service_id"]))})


def create_service(request: Request) -> Answer:
    """POST /services."""
    columns, extra = split(request.body["service"], SERVICE)
    service = CatalogService(id=new_id(), extra=merged({}, extra), **({"name": ""} | columns))
    request.parts.database.transact(lambda tx: db.SERVICES.insert(tx, service))
    return Answer(status=201, body={"service": records.service(request, service)})


def update_service(request: Request) -> Answer:
    """PATCH /services/{service_id}."""
    body = request.body["service"]
    columns, extra = split(body, SERVICE)

    def work(tx: Tx) -> CatalogService:
        service = db.SERVICES.hold(tx, request.params["service_id"])
        check_id(body, service.id)
        return db.SERVICES.update(tx, service.id, **columns, extra=merged(service.extra, extra))

    return Answer(body={"service": records.service(request, request.parts.database.transact(work))})


def delete_service(request: Request) -> Answer:
    """DELETE /services/{service_id}, with its endpoints."""

    def work(tx: Tx) -> None:
        service_id = request.params["service_id"]
        for endpoint in db.ENDPOINTS.list_by(tx, service_id=service_id):
            limits.forget_endpoint(tx, endpoint.id)
        limits.forget_service(tx, service_id)
        db.ENDPOINTS.delete_by(tx, service_id=service_id)
        db.SERVICES.delete(tx, service_id)

    request.parts.database.transact(work)
    return Answer(status=204)


def list_endpoints(request: Request) -> Answer:
    """GET /endpoints, with filters."""
    with request.parts.database.read() as tx:
        found = db.ENDPOINTS.list_by(tx, **exact(request, "interface", "service_id", "region_id"))
    return answer_list(request, "endpoints", [records.endpoint(request, endpoint) for endpoint in found])


def show_endpoint(request: Request) -> Answer:
    """GET /endpoints/{endpoint_id}."""
    with request.parts.database.read() as tx:
        found = db.ENDPOINTS.get(tx, request.params["endpoint_id"])
    return Answer(body={"endpoint": records.endpoint(request, found)})


def _endpoint(request: Request) -> tuple[dict[str, Any], dict[str, Any], str | None]:
    """Give columns, other fields, and the region when it is named in the old way. Raises: BadRequest for the URL."""
    columns, extra = split(request.body["endpoint"], ENDPOINT, apart=("region",))
    if "url" in columns:
        catalog.check_url(columns["url"])
    old = request.body["endpoint"].get("region") if columns.get("region_id") is None else None
    return columns | ({"region_id": old} if old is not None else {}), extra, old


def create_endpoint(request: Request) -> Answer:
    """POST /endpoints; a region named by `region` is made when it is not there."""
    columns, extra, old_region = _endpoint(request)
    endpoint = CatalogEndpoint(id=new_id(), extra=merged({}, extra), **columns)

    def work(tx: Tx) -> CatalogEndpoint:
        if old_region is not None:
            catalog.ensure_region(tx, old_region)
        return catalog.create_endpoint(tx, endpoint)

    return Answer(status=201, body={"endpoint": records.endpoint(request, request.parts.database.transact(work))})


def update_endpoint(request: Request) -> Answer:
    """PATCH /endpoints/{endpoint_id}."""
    columns, extra, old_region = _endpoint(request)

    def work(tx: Tx) -> CatalogEndpoint:
        endpoint = db.ENDPOINTS.hold(tx, request.params["endpoint_id"])
        check_id(request.body["endpoint"], endpoint.id)
        if old_region is not None:
            catalog.ensure_region(tx, old_region)
        catalog.check_endpoint(tx, columns.get("service_id"), columns.get("region_id"))
        return db.ENDPOINTS.update(tx, endpoint.id, **columns, extra=merged(endpoint.extra, extra))

    return Answer(body={"endpoint": records.endpoint(request, request.parts.database.transact(work))})


def delete_endpoint(request: Request) -> Answer:
    """DELETE /endpoints/{endpoint_id}."""

    def work(tx: Tx) -> None:
        db.ENDPOINTS.delete(tx, request.params["endpoint_id"])
        limits.forget_endpoint(tx, request.params["endpoint_id"])

    request.parts.database.transact(work)
    return Answer(status=204)
