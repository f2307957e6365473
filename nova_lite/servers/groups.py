"""Server groups: who is in one, and what it asks of the next host.

Whoever joins, removes or claims for a group takes its row first: so what is counted there stays true until the commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from nova_lite import errors
from nova_lite.db import server_groups as queries
from nova_lite.db.engine import Tx
from nova_lite.model.ids import HostName
from nova_lite.model.placement import Hints, Neighbours
from nova_lite.model.server import Server
from nova_lite.model.server_group import GroupRule, ServerGroup
from nova_lite.quota import usage
from nova_lite.quota.limits import UNLIMITED

QUOTA = {"server_groups": 1}


def list_page(tx: Tx, *, project_id: str | None, limit: int, offset: int) -> list[ServerGroup]:
    """Read a page of groups with their members, oldest first; of all projects without one. Two statements."""
    rows = queries.select_groups(tx, project_id=project_id, limit=limit, offset=offset)
    members = queries.select_members(tx, [row["id"] for row in rows]) if rows else {}
    return [ServerGroup(**row, members=tuple(members.get(row["id"], ()))) for row in rows]


def get(tx: Tx, group_id: str, *, project_id: str | None = None, lock: bool = False) -> ServerGroup:
    """Read a group. Raises: NotFound, also when it belongs to another project than the one named."""
    row = queries.find_group(tx, group_id, lock=lock)
    if row is None or project_id not in (None, row["project_id"]):
        raise errors.NotFound(f"Instance group {group_id} could not be found.")
    return ServerGroup(**row, members=tuple(queries.select_members(tx, [group_id]).get(group_id, ())))


def create(tx: Tx, group: ServerGroup) -> None:
    """Add a group. Raises: OverQuota."""
    try:
        usage.reserve(tx, group.project_id, QUOTA)
    except errors.OverQuota as error:
        raise errors.OverQuota("Quota exceeded, too many server groups.") from error
    queries.insert_group(tx, {name: value for name, value in vars(group).items() if name != "members"})


def new_id() -> str:
    """Make the id of a group."""
    return str(uuid.uuid4())


def delete(tx: Tx, group_id: str, *, project_id: str | None = None) -> ServerGroup:
    """Remove a group and give what it was; its members live on. Raises: NotFound."""
    group = get(tx, group_id, project_id=project_id, lock=True)
    queries.delete_group(tx, group_id)
    usage.release(tx, group.project_id, QUOTA)
    return group


def join(tx: Tx, group_id: str, servers: Sequence[Server]) -> None:
    """Have new servers of one user join a group.

    Raises: BadRequest when the group is gone; OverQuota when its user may have no more servers in it.
    """
    if queries.find_group(tx, group_id, lock=True) is None:
        raise errors.BadRequest(f"Instance group {group_id} could not be found.")
    first = servers[0]
    limit = usage.limits_of(tx, first.project_id)["server_group_members"]
    if limit != UNLIMITED and queries.count_members(tx, group_id, first.user_id) + len(servers) > limit:
        raise errors.OverQuota("Quota exceeded, too many servers in group")
    queries.insert_members(tx, group_id, [server.id for server in servers])


def leave(tx: Tx, server_id: str) -> None:
    """Have a server leave its group, if it is in one. May be repeated."""
    queries.delete_member(tx, server_id)


def find_of(tx: Tx, server: Server) -> str | None:
    """Give the group that a server is in; no statement for one that never asked for a group."""
    return queries.group_of(tx, server.id) if "group" in server.scheduler_hints else None


def rule_for(tx: Tx, group_id: str | None, server_id: str, *, lock: bool = False) -> GroupRule | None:
    """Give what a group asks of the host of one of its servers; None without a group, or when it is gone.

    With `lock` what it says stays true until the transaction ends: for the claim.
    """
    group = None if group_id is None else queries.find_group(tx, group_id, lock=lock)
    if group is None:
        return None
    return GroupRule(
        policy=group["policy"],
        max_per_host=group["max_per_host"] or 1,
        members=queries.members_per_host(tx, group["id"], besides=server_id),
    )


def neighbours(tx: Tx, hints: Hints, *, server_id: str, project_id: str) -> Neighbours:
    """Look up where the servers live that a request's hints speak of. Another project's servers are not there."""
    named = {*hints.same_host, *hints.different_host}
    living = queries.hosts_of(tx, named, project_id) if named else {}
    return Neighbours(
        group=rule_for(tx, hints.group_id, server_id),
        same=tuple(dict.fromkeys(HostName(living[one]) for one in hints.same_host if one in living)),
        different=tuple(dict.fromkeys(HostName(living[one]) for one in hints.different_host if one in living)),
    )
