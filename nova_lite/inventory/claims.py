"""Claims: what a server holds on a host. The claim is the commit of a choice (DESIGN section 5)."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.db import hosts as queries
from nova_lite.db.engine import Tx
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.resources import ClaimRole, Resources


def claim(
    tx: Tx,
    host: HostName,
    server_id: ServerId,
    asked: Resources,
    role: ClaimRole = ClaimRole.CURRENT,
    *,
    zone: str | None = None,
) -> None:
    """Take `asked` from the host for the server, all of it or nothing; never over the limit, on any engine.

    Raises: NoRoom when it does not fit, the host takes no servers, or is not in the zone any more.
    """
    if not queries.take(tx, host, asked, zone=zone):
        raise errors.NoRoom(f"Host {host} has no room left.")
    queries.insert_claim(tx, server_id, role, host, asked, tx.database.clock.wall())


def find_host(tx: Tx, server_id: ServerId, role: ClaimRole = ClaimRole.CURRENT) -> HostName | None:
    """Give the host on which the server holds a claim of that role."""
    for row in queries.select_claims(tx, server_id):
        if row["role"] == role.value:
            return HostName(row["host"])
    return None


def turn(tx: Tx, server_id: ServerId, role: ClaimRole, into: ClaimRole) -> None:
    """Let what a server holds in one role count in another. May be repeated."""
    queries.update_claim_role(tx, server_id, role, into)


def release(tx: Tx, server_id: ServerId, role: ClaimRole | None = None) -> None:
    """Give back what the server holds (of one role, or all). May be repeated."""
    for row in queries.select_claims(tx, server_id):
        if role is not None and row["role"] != role.value:
            continue
        if queries.delete_claim(tx, server_id, row["role"]):
            queries.give_back(tx, HostName(row["host"]), queries.amounts_of(row))


def release_orphans(tx: Tx, server_id: ServerId | None = None) -> tuple[ServerId, ...]:
    """Give back claims (of one server, or all) that neither a live operation nor a settled state owns; give their servers.

    May be repeated.
    """
    freed = []
    for row in queries.orphan_claims(tx):
        if server_id is not None and row["server_id"] != server_id:
            continue
        if queries.delete_claim(tx, row["server_id"], row["role"]):
            queries.give_back(tx, HostName(row["host"]), queries.amounts_of(row))
            freed.append(ServerId(row["server_id"]))
    return tuple(freed)


def differences(tx: Tx) -> tuple[tuple[HostName, Resources, Resources, int], ...]:
    """Compare each host's used amounts with its claims: (host, used, claimed, generation) where they differ."""
    claimed = queries.used_by_claims(tx)
    return tuple(
        (host.name, host.used, claimed.get(host.name, Resources()), host.generation)
        for host in queries.select_hosts(tx, 0.0)
        if host.used != claimed.get(host.name, Resources())
    )


def mend_used(tx: Tx, host: HostName, claimed: Resources, generation: int) -> bool:
    """Set what is used of a host to what is claimed, unless the host changed since `generation`."""
    return queries.set_used(tx, host, claimed, generation=generation)
