"""Regions, services and endpoints."""

from __future__ import annotations

import uuid
from typing import Any

from nova_lite import errors
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.db import limits
from nova_lite.db.engine import Tx
from nova_lite.identity import catalog
from nova_lite.identity.projects import new_id
from nova_lite.model.identity import CatalogEndpoint, CatalogService, Region


def list_regions(request: Request) -> Answer:
    """GET /regions."""
    with request.parts.database.read() as tx:
        found = db.REGIONS.list_by(tx, **exact(request, "parent_region_id"))
    return answer_list(request, "regions", [records.region(request, region) for region in found])


def show_region(request: Request) -> Answer:
    """GET /regions/{region_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"region": records.region(request, db.REGIONS.get(tx, request.params["region_id"]))})


def create_region(request: Request) -> Answer:
    """POST /regions, and PUT /regions/{region_id}."""
    body = request.body["region"]
    named = request.params.get("region_id")
    if named and body.get("id") not in (None, named):
        raise errors.BadRequest("The region's id in the body is not the one in the path.")
    region = Region(
        id=named or body.get("id") or uuid.uuid4().hex,
        description=body.get("description") or "",
        parent_region_id=body.get("parent_region_id"),
    )
    request.parts.database.transact(lambda tx: catalog.create_region(tx, region))
    return Answer(status=201, body={"region": records.region(request, region)})


def update_region(request: Request) -> Answer:
    """PATCH /regions/{region_id}."""
    body = request.body["region"]
    columns = {name: body[name] for name in ("description", "parent_region_id") if name in body}

    def work(tx: Tx) -> Region:
        region = db.REGIONS.get(tx, request.params["region_id"])
        parent = columns.get("parent_region_id")
        if parent:
            db.REGIONS.get(tx, parent)
        if parent == region.id:
            raise errors.BadRequest("A region cannot be in itself.")
        return db.REGIONS.update(tx, region.id, **columns)

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


def _service_columns(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in ("type", "name", "description", "enabled") if name in body}


def create_service(request: Request) -> Answer:
    """POST /services."""
    service = CatalogService(id=new_id(), **({"name": ""} | _service_columns(request.body["service"])))
    request.parts.database.transact(lambda tx: db.SERVICES.insert(tx, service))
    return Answer(status=201, body={"service": records.service(request, service)})


def update_service(request: Request) -> Answer:
    """PATCH /services/{service_id}."""
    columns = _service_columns(request.body["service"])

    def work(tx: Tx) -> CatalogService:
        service = db.SERVICES.get(tx, request.params["service_id"])
        return db.SERVICES.update(tx, service.id, **columns)

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


def _endpoint_columns(body: dict[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = {
        name: body[name] for name in ("service_id", "interface", "url", "region_id", "enabled") if name in body
    }
    if "region" in body and "region_id" not in body:
        columns["region_id"] = body["region"]
    return columns


def create_endpoint(request: Request) -> Answer:
    """POST /endpoints."""
    endpoint = CatalogEndpoint(id=new_id(), **_endpoint_columns(request.body["endpoint"]))
    request.parts.database.transact(lambda tx: catalog.create_endpoint(tx, endpoint))
    return Answer(status=201, body={"endpoint": records.endpoint(request, endpoint)})


def update_endpoint(request: Request) -> Answer:
    """PATCH /endpoints/{endpoint_id}."""
    columns = _endpoint_columns(request.body["endpoint"])

    def work(tx: Tx) -> CatalogEndpoint:
        endpoint = db.ENDPOINTS.get(tx, request.params["endpoint_id"])
        catalog.check_endpoint(tx, columns.get("service_id"), columns.get("region_id"))
        return db.ENDPOINTS.update(tx, endpoint.id, **columns)

    return Answer(body={"endpoint": records.endpoint(request, request.parts.database.transact(work))})


def delete_endpoint(request: Request) -> Answer:
    """DELETE /endpoints/{endpoint_id}."""

    def work(tx: Tx) -> None:
        db.ENDPOINTS.delete(tx, request.params["endpoint_id"])
        limits.forget_endpoint(tx, request.params["endpoint_id"])

    request.parts.database.transact(work)
    return Answer(status=204)
