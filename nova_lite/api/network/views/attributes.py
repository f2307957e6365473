"""What all resources of the Network API have."""

from __future__ import annotations

import time
from typing import Any

View = dict[str, Any]


def standard(thing: Any) -> View:
    """Show the common attributes of a network, subnet or port. The revision rises with each change's time."""
    owner = thing.project_id or ""
    return {
        "id": thing.id,
        "name": thing.name,
        "tenant_id": owner,
        "project_id": owner,
        "description": thing.description,
        "tags": [],
        "created_at": _iso(thing.created_at),
        "updated_at": _iso(thing.updated_at),
        "revision_number": 1 + max(0, int((thing.updated_at - thing.created_at) * 1000)),
    }


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
