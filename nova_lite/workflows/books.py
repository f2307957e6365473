"""What a server costs its project, and giving it back."""

from __future__ import annotations

from nova_lite.db import servers as server_queries
from nova_lite.db.engine import Tx
from nova_lite.model.flavor import Flavor
from nova_lite.model.ids import ProjectId
from nova_lite.model.server import Server
from nova_lite.quota import usage, users


def amounts(flavor: Flavor, servers: int = 1) -> dict[str, int]:
    """Count what servers of a flavor use of a project's quota, by the Compute API's names."""
    return {"instances": servers, "cores": flavor.vcpus * servers, "ram": flavor.ram_mib * servers}


def reserve(tx: Tx, project_id: ProjectId, flavor: Flavor, servers: int, user_id: str = "") -> bool:
    """Take quota for servers; tell whether the user has limits of their own. Raises: OverQuota, and nothing is taken."""
    return usage.reserve(tx, project_id, amounts(flavor, servers), user_id)


def require_room_of_user(tx: Tx, server: Server, servers: int) -> None:
    """See that more servers like one fit within its user's own limits, if there are any; the project's usage is locked.

    Raises: OverQuota.
    """
    own = users.own_limits(tx, server.project_id, server.user_id)
    if own:
        used = server_queries.usage_of(tx, server.project_id, server.user_id)
        users.require_room(own, used, amounts(server.flavor, servers))


def give_back(tx: Tx, project_id: ProjectId, flavor: Flavor) -> None:
    """Give the quota of one server back; only in the transaction that ends its life."""
    usage.release(tx, project_id, amounts(flavor))


def growth(old: Flavor, new: Flavor) -> dict[str, int]:
    """Count what a server needs more of its project's quota in another size; nothing where it needs less."""
    before, after = amounts(old), amounts(new)
    return {name: max(0, after[name] - before[name]) for name in ("cores", "ram")}


def reserve_growth(tx: Tx, server: Server, new: Flavor) -> None:
    """Take what a larger size needs more, of the project and of its user's own limits. Raises: OverQuota."""
    more = growth(server.flavor, new)
    if not any(more.values()):
        return
    usage.reserve(tx, server.project_id, more)
    own = users.own_limits(tx, server.project_id, server.user_id)
    if own:
        users.require_room(own, server_queries.usage_of(tx, server.project_id, server.user_id), more)


def give_back_difference(tx: Tx, project_id: ProjectId, *, held: Flavor, kept: Flavor) -> None:
    """Give back what one size needs more than the other that is kept; nothing where it needs less."""
    less = growth(kept, held)
    if any(less.values()):
        usage.release(tx, project_id, less)
