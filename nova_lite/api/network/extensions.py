"""The extensions of the Network API that are served here: clients look for an alias before they use what it adds."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.route import Answer, Request

UPDATED = "2026-01-01T00:00:00-00:00"
SERVED = (
    ("binding", "Port Binding", "Ports show the host and the kind of their connection."),
    ("filter-validation", "Filter parameters validation", "Filters by unknown attributes are refused."),
    ("ip-substring-filtering", "IP address substring filtering", "Ports are found by a part of an address."),
    ("net-mtu", "Network MTU", "Networks show their largest packet."),
    ("net-mtu-writable", "Network MTU (writable)", "Networks are made with a largest packet of one's own choice."),
    ("pagination", "Pagination support", "Lists come in pages."),
    ("project-id", "project_id field enabled", "Resources show project_id beside tenant_id."),
    ("provider", "Provider Network", "Networks show what they are made of."),
    ("sorting", "Sorting support", "Lists are sorted by chosen attributes."),
    ("standard-attr-description", "Resource descriptions", "Resources keep a description."),
    ("standard-attr-timestamp", "Resource timestamps", "Resources show when they were made and changed."),
)


def _view(alias: str, name: str, description: str) -> dict[str, Any]:
    return {"alias": alias, "name": name, "description": description, "updated": UPDATED, "links": []}


def list_extensions(_request: Request) -> Answer:
    """List what is served."""
    return Answer(body={"extensions": [_view(*entry) for entry in SERVED]})


def show_extension(request: Request) -> Answer:
    """Show one."""
    for entry in SERVED:
        if entry[0] == request.params["alias"]:
            return Answer(body={"extension": _view(*entry)})
    raise errors.NotFound(f"Extension with alias {request.params['alias'][:64]} does not exist", type="ExtensionNotFound")
