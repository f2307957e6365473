"""How limits, documents of policy and endpoint groups look on the wire."""

from __future__ import annotations

from typing import Any

from nova_lite.api.identity.views.records import links
from nova_lite.api.route import Request
from nova_lite.model import limits as model


def registered(request: Request, record: model.RegisteredLimit) -> dict[str, Any]:
    """Show a registered limit."""
    return {
        "id": record.id,
        "service_id": record.service_id,
        "region_id": record.region_id or None,
        "resource_name": record.resource_name,
        "default_limit": record.default_limit,
        "description": record.description,
        "links": links(request, f"/registered_limits/{record.id}"),
    }


def limit(request: Request, record: model.Limit, of: model.RegisteredLimit) -> dict[str, Any]:
    """Show a limit; what it limits is said by its registered one."""
    return {
        "id": record.id,
        "project_id": record.project_id or None,
        "domain_id": record.domain_id or None,
        "service_id": of.service_id,
        "region_id": of.region_id or None,
        "resource_name": of.resource_name,
        "resource_limit": record.resource_limit,
        "description": record.description,
        "links": links(request, f"/limits/{record.id}"),
    }


def policy(request: Request, record: model.PolicyDocument) -> dict[str, Any]:
    """Show a document of policy."""
    return dict(record.extra) | {
        "id": record.id,
        "type": record.type,
        "blob": record.blob,
        "links": links(request, f"/policies/{record.id}"),
    }


def endpoint_group(request: Request, record: model.EndpointGroup) -> dict[str, Any]:
    """Show an endpoint group."""
    return {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "filters": record.filters,
        "links": links(request, f"/OS-EP-FILTER/endpoint_groups/{record.id}"),
    }
