"""What aggregates look like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_lite.api.compute import times
from nova_lite.api.microversion import ByVersion
from nova_lite.model.aggregate import Aggregate

View = dict[str, Any]


def _first(aggregate: Aggregate) -> View:
    return {
        "id": aggregate.id,
        "name": aggregate.name,
        "availability_zone": aggregate.zone,
        "hosts": list(aggregate.hosts),
        "metadata": dict(aggregate.metadata),
        "created_at": times.micro(aggregate.created_at),
        "updated_at": times.micro(aggregate.updated_at),
        "deleted": False,
        "deleted_at": None,
    }


def _with_uuid(aggregate: Aggregate) -> View:
    return _first(aggregate) | {"uuid": aggregate.uuid}


VIEW: ByVersion[Callable[[Aggregate], View]] = ByVersion({"2.1": _first, "2.41": _with_uuid})


def without_parts(view: View) -> View:
    """Leave out what the answer to a create never had: it has no hosts yet, and no metadata but the zone."""
    return {name: value for name, value in view.items() if name not in ("hosts", "metadata")}
