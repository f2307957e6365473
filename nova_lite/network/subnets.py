"""The rules of subnets that projects make: which ranges, gateways and pools can be, and when one may change or go."""

from __future__ import annotations

import dataclasses
import ipaddress
import itertools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nova_lite import errors
from nova_lite.db import networks as queries
from nova_lite.db.engine import Tx
from nova_lite.db.networks import NetworkFilter
from nova_lite.model.guest import HostRoute
from nova_lite.model.ids import SubnetId
from nova_lite.model.network import Network, Pool, Subnet
from nova_lite.network import limits, records

MAX_PREFIX = 30  # longer ones have no room for a gateway and a guest
NOT_FOR_GUESTS = tuple(ipaddress.IPv4Network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewSubnet:
    """A subnet that is asked for.

    gateway_ip: None: the first address of the range, unless there is to be none (`no_gateway`)
    pools: None: all addresses but the gateway's
    """

    cidr: str
    project_id: str
    name: str = ""
    description: str = ""
    gateway_ip: str | None = None
    no_gateway: bool = False
    pools: tuple[Pool, ...] | None = None
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    enable_dhcp: bool = True


def create(tx: Tx, network: Network, wanted: NewSubnet) -> Subnet:
    """Add a subnet to a network of a project's own.

    Raises: BadRequest for a range, gateway, pool or route that cannot be; Conflict for pools that overlap or hold the
    gateway, and when the project has as many as it may; Forbidden for a flat network; NotFound when it is gone.
    """
    _refuse_flat(network)
    cidr = _range(wanted.cidr)
    if not queries.lock_network(tx, network.id):
        raise errors.NotFound(f"Network {network.id} could not be found.", type="NetworkNotFound")
    _refuse_overlap(records.list_subnets(tx, NetworkFilter(ids=(network.id,))), cidr)
    gateway = None if wanted.no_gateway else wanted.gateway_ip or str(cidr[1])
    _check_gateway(cidr, gateway)
    pools = _free_of(cidr, gateway) if wanted.pools is None else _checked_pools(cidr, gateway, wanted.pools)
    _check_routes(wanted.host_routes)
    limits.require_room(tx, "subnet", wanted.project_id)
    wall = tx.database.clock.wall()
    subnet = Subnet(
        id=SubnetId(str(uuid.uuid4())),
        network_id=network.id,
        project_id=wanted.project_id,
        name=wanted.name,
        description=wanted.description,
        cidr=str(cidr),
        gateway_ip=gateway,
        pools=pools,
        dns_nameservers=wanted.dns_nameservers,
        host_routes=wanted.host_routes,
        enable_dhcp=wanted.enable_dhcp,
        created_at=wall,
        updated_at=wall,
    )
    queries.insert_subnet(tx, records.subnet_columns(subnet))
    return subnet


def update(tx: Tx, network: Network, subnet: Subnet, changes: Mapping[str, Any]) -> Subnet:
    """Change a subnet. Guests learn of it with their next interface on their host, or when their host serves the network anew.

    Raises: as `create`; Conflict for a gateway whose address a port has.
    """
    if set(changes) - {"name", "description"}:
        _refuse_flat(network)
    cidr = ipaddress.IPv4Network(subnet.cidr)
    changed = dataclasses.replace(subnet, **changes, updated_at=tx.database.clock.wall())
    if changed.gateway_ip != subnet.gateway_ip:
        queries.lock_subnet(tx, subnet.id)
        _check_gateway(cidr, changed.gateway_ip)
        if changed.gateway_ip is not None and queries.is_taken(tx, subnet.id, changed.gateway_ip):
            raise errors.Conflict(f"The address {changed.gateway_ip} is a port's.", type="GatewayIpInUse")
    if "pools" in changes or changed.gateway_ip != subnet.gateway_ip:
        changed = dataclasses.replace(changed, pools=_checked_pools(cidr, changed.gateway_ip, changed.pools))
    _check_routes(changed.host_routes)
    columns = records.subnet_columns(changed)
    queries.update_subnet(tx, subnet.id, {name: value for name, value in columns.items() if name != "id"})
    return changed


def delete(tx: Tx, network: Network, subnet: Subnet) -> None:
    """Remove a subnet. Raises: Conflict while a port has an address of it; Forbidden for a flat network's."""
    _refuse_flat(network)
    if not queries.delete_subnet(tx, subnet.id):
        raise errors.Conflict(
            f"Unable to complete operation on subnet {subnet.id}: ports have addresses of it.", type="SubnetInUse"
        )


def _refuse_flat(network: Network) -> None:
    """Leave to the configuration what hosts are the gateway of. Raises: Forbidden."""
    if network.segment is None:
        raise errors.Forbidden("The subnet of this network is set up by its operator.", type="PolicyNotAuthorized")


def _range(text: str) -> ipaddress.IPv4Network:
    """Read a range that guests can have. Raises: BadRequest."""
    try:
        cidr = ipaddress.IPv4Network(text, strict=False)
    except ValueError as error:
        raise _invalid(f"cidr: {text!r} is no IPv4 range") from error
    if "/" not in text or str(cidr) != text:
        raise _invalid(f"cidr: {text!r} is not written as a range, as {str(cidr)!r} is")
    if not 1 <= cidr.prefixlen <= MAX_PREFIX:
        raise _invalid(f"cidr: a range of /1 to /{MAX_PREFIX} is wanted, not /{cidr.prefixlen}")
    reserved = next((one for one in NOT_FOR_GUESTS if cidr.overlaps(one)), None)
    if reserved is not None:
        raise _invalid(f"cidr: {cidr} overlaps with {reserved}, which has a meaning of its own")
    return cidr


def _refuse_overlap(others: Iterable[Subnet], cidr: ipaddress.IPv4Network) -> None:
    for other in others:
        if cidr.overlaps(ipaddress.IPv4Network(other.cidr)):
            raise _invalid(f"cidr: {cidr} overlaps with subnet {other.id} ({other.cidr}) of the same network")


def _check_gateway(cidr: ipaddress.IPv4Network, gateway: str | None) -> None:
    if gateway is not None and not _is_guests(cidr, ipaddress.IPv4Address(gateway)):
        raise errors.BadRequest(f"The gateway {gateway} is not an address of {cidr} that can be used.", type="InvalidInput")


def _is_guests(cidr: ipaddress.IPv4Network, address: ipaddress.IPv4Address) -> bool:
    return address in cidr and address not in (cidr.network_address, cidr.broadcast_address)


def _free_of(cidr: ipaddress.IPv4Network, gateway: str | None) -> tuple[Pool, ...]:
    """Give all addresses of a range but the gateway's, as pools."""
    first, last = cidr[1], cidr[-2]
    if gateway is None:
        return (Pool(start=str(first), end=str(last)),)
    middle = ipaddress.IPv4Address(gateway)
    halves = ((first, middle - 1), (middle + 1, last))
    return tuple(Pool(start=str(start), end=str(end)) for start, end in halves if start <= end)


def _checked_pools(cidr: ipaddress.IPv4Network, gateway: str | None, pools: Sequence[Pool]) -> tuple[Pool, ...]:
    """Check pools that were asked for. Raises: BadRequest; Conflict."""
    ranges = sorted((ipaddress.IPv4Address(pool.start), ipaddress.IPv4Address(pool.end)) for pool in pools)
    for start, end in ranges:
        if start > end or not _is_guests(cidr, start) or not _is_guests(cidr, end):
            raise errors.BadRequest(
                f"The allocation pool {start}-{end} is not one of addresses of {cidr}.", type="InvalidAllocationPool"
            )
        if gateway is not None and start <= ipaddress.IPv4Address(gateway) <= end:
            raise errors.Conflict(
                f"Gateway ip {gateway} conflicts with allocation pool {start}-{end}.", type="GatewayConflictWithAllocationPools"
            )
    for (_, end), (start, _) in itertools.pairwise(ranges):
        if start <= end:
            raise errors.Conflict("Allocation pools overlap.", type="OverlappingAllocationPools")
    return tuple(Pool(start=str(start), end=str(end)) for start, end in ranges)


def _check_routes(routes: Iterable[HostRoute]) -> None:
    for route in routes:
        try:
            ipaddress.IPv4Network(route.destination)
        except ValueError as error:
            raise _invalid(f"host_routes: {route.destination!r} is no IPv4 range") from error


def _invalid(what: str) -> errors.BadRequest:
    return errors.BadRequest(f"Invalid input for {what}.", type="InvalidInput")
