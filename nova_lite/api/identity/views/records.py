"""How records of Identity look on the wire."""

from __future__ import annotations

import datetime
from typing import Any

from nova_lite.api.route import Request
from nova_lite.model import identity as model


def time_text(moment: float | None) -> str | None:
    """Write epoch seconds as Identity does: `2026-01-31T12:00:00.000000Z`."""
    if moment is None:
        return None
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def links(request: Request, path: str) -> dict[str, str]:
    """Give a thing's own address."""
    return {"self": f"{request.service_url}{path}"}


def user(request: Request, record: model.User) -> dict[str, Any]:
    """Show a user; never its password."""
    view = dict(record.extra) | {
        "id": record.id,
        "name": record.name,
        "domain_id": record.domain_id,
        "enabled": record.enabled,
        "options": record.options,
        "password_expires_at": time_text(record.password_expires_at),
        "links": links(request, f"/users/{record.id}"),
    }
    if record.default_project_id:
        view["default_project_id"] = record.default_project_id
    return view


def project(request: Request, record: model.Project) -> dict[str, Any]:
    """Show a project (or a domain as a project)."""
    extra = dict(record.extra)
    return extra | {
        "id": record.id,
        "name": record.name,
        "domain_id": record.domain_id or None,
        "parent_id": record.parent_id or record.domain_id or None,
        "is_domain": record.is_domain,
        "description": record.description or "",
        "enabled": record.enabled,
        "tags": extra.get("tags", []),
        "options": extra.get("options", {}),
        "links": links(request, f"/projects/{record.id}"),
    }


def domain(request: Request, record: model.Project) -> dict[str, Any]:
    """Show a domain."""
    extra = dict(record.extra)
    return extra | {
        "id": record.id,
        "name": record.name,
        "description": record.description or "",
        "enabled": record.enabled,
        "tags": extra.get("tags", []),
        "options": extra.get("options", {}),
        "links": links(request, f"/domains/{record.id}"),
    }


def group(request: Request, record: model.Group) -> dict[str, Any]:
    """Show a group."""
    return dict(record.extra) | {
        "id": record.id,
        "name": record.name,
        "domain_id": record.domain_id,
        "description": record.description or "",
        "links": links(request, f"/groups/{record.id}"),
    }


def role(request: Request, record: model.Role) -> dict[str, Any]:
    """Show a role."""
    extra = dict(record.extra)
    return extra | {
        "id": record.id,
        "name": record.name,
        "domain_id": record.domain_id or None,
        "description": record.description,
        "options": extra.get("options", {}),
        "links": links(request, f"/roles/{record.id}"),
    }


def region(request: Request, record: model.Region) -> dict[str, Any]:
    """Show a region."""
    return dict(record.extra or {}) | {
        "id": record.id,
        "description": record.description or "",
        "parent_region_id": record.parent_region_id,
        "links": links(request, f"/regions/{record.id}"),
    }


def service(request: Request, record: model.CatalogService) -> dict[str, Any]:
    """Show a service of the catalog."""
    view = dict(record.extra or {}) | {
        "id": record.id,
        "type": record.type,
        "name": record.name,
        "enabled": record.enabled,
        "links": links(request, f"/services/{record.id}"),
    }
    return view if record.description is None else view | {"description": record.description}


def endpoint(request: Request, record: model.CatalogEndpoint) -> dict[str, Any]:
    """Show an endpoint of the catalog; its region stands under both names."""
    return dict(record.extra or {}) | {
        "id": record.id,
        "service_id": record.service_id,
        "interface": record.interface,
        "url": record.url,
        "region_id": record.region_id,
        "region": record.region_id,
        "enabled": record.enabled,
        "links": links(request, f"/endpoints/{record.id}"),
    }


def credential(request: Request, record: model.ApplicationCredential, held: list[model.Role]) -> dict[str, Any]:
    """Show an application credential with its roles; never its secret."""
    rules = {} if record.access_rules is None else {"access_rules": record.access_rules}
    return rules | {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "project_id": record.project_id,
        "user_id": record.user_id,
        "system": None,
        "expires_at": _whole(record.expires_at),
        "unrestricted": record.unrestricted,
        "roles": [{key: value for key, value in role(request, each).items() if key != "links"} for each in held],
        "links": links(request, f"/users/{record.user_id}/application_credentials/{record.id}"),
    }


def access_rule(request: Request, record: model.AccessRule) -> dict[str, Any]:
    """Show an access rule."""
    return {
        "id": record.id,
        "service": record.service,
        "method": record.method,
        "path": record.path,
        "links": links(request, f"/users/{record.user_id}/access_rules/{record.id}"),
    }


def _whole(moment: float | None) -> str | None:
    """Write a moment without a zone, as application credentials have it."""
    text = time_text(moment)
    return None if text is None else text.rstrip("Z")
