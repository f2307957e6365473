"""How many networks and subnets a project may have. The same for all; addresses are the limit of ports."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nova_lite import errors
from nova_lite.db import networks as queries
from nova_lite.db.engine import Tx
from nova_lite.quota import usage

UNLIMITED = -1
LIMITS: Mapping[str, int] = MappingProxyType({"network": 100, "subnet": 100, "port": UNLIMITED})


def require_room(tx: Tx, resource: str, project_id: str) -> None:
    """Refuse one more than a project may have; others of the project wait until the transaction ends. Raises: Conflict."""
    usage.take_turn(tx, project_id, resource)
    if queries.count_owned(tx, project_id)[resource] >= LIMITS[resource]:
        raise errors.Conflict(f"Quota exceeded for resources: {[resource]}.", type="OverQuota")
