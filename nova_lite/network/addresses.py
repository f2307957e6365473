"""Addresses: the lowest free one, or one asked for; MAC addresses of our own range."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterator, Mapping, Sequence

from nova_lite import errors
from nova_lite.db import networks as queries
from nova_lite.db.engine import Tx
from nova_lite.model.ids import PortId
from nova_lite.model.network import FixedIp, Subnet

NONE_FREE = "IpAddressGenerationFailure"  # the Network API's word


def new_mac() -> str:
    """Make a MAC address in the range that OpenStack's clouds use."""
    return "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))


def take(
    tx: Tx, subnets: Sequence[Subnet], port_id: PortId, wanted: str | None = None, *, hints: Mapping[str, int] | None = None
) -> FixedIp:
    """Take an address for a port: the one wanted; else one of the first subnet that has any.

    There it is that of the subnet's hint, if it is free, else the lowest free one of its pools.
    Raises: BadRequest when the wanted one is of no subnet; Conflict when it is in use, or when none is free.
    """
    if wanted is not None:
        return _take_wanted(tx, subnet_of(subnets, wanted), port_id, wanted)
    for subnet in subnets:
        queries.lock_subnet(tx, subnet.id)  # else many at once look for the same address, and some in vain
        pools = [(int(ipaddress.IPv4Address(pool.start)), int(ipaddress.IPv4Address(pool.end))) for pool in subnet.pools]
        for number in _candidates(tx, subnet, pools, (hints or {}).get(subnet.id)):
            text = str(ipaddress.IPv4Address(number))
            if queries.take_address(tx, subnet.id, port_id, number, text):
                return FixedIp(subnet_id=subnet.id, ip_address=text)
    ranges = ", ".join(subnet.cidr for subnet in subnets)
    raise errors.Conflict(f"The network has no free address left in {ranges or 'any subnet: it has none'}.", type=NONE_FREE)


def _candidates(tx: Tx, subnet: Subnet, pools: Sequence[tuple[int, int]], hint: int | None) -> Iterator[int]:
    if hint is not None and any(first <= hint <= last for first, last in pools):
        yield hint
    for first, last in pools:
        number = queries.lowest_free(tx, subnet.id, first, last)
        if number is not None:
            yield number


def _take_wanted(tx: Tx, subnet: Subnet, port_id: PortId, wanted: str) -> FixedIp:
    queries.lock_subnet(tx, subnet.id)
    address = check(subnet, wanted)
    if not queries.take_address(tx, subnet.id, port_id, int(address), str(address)):
        raise errors.Conflict(f"The address {address} is in use.", type="IpAddressInUse")
    return FixedIp(subnet_id=subnet.id, ip_address=str(address))


def subnet_of(subnets: Sequence[Subnet], wanted: str) -> Subnet:
    """Find the subnet that an address belongs to. Raises: BadRequest."""
    found = next((subnet for subnet in subnets if belongs(subnet, wanted)), None)
    if found is None:
        raise errors.BadRequest(f"{wanted} is an address of no subnet of the network.", type="InvalidIpForNetwork")
    return found


def belongs(subnet: Subnet, wanted: str) -> bool:
    """Tell whether an address lies in a subnet's range. Raises: BadRequest when it is no address."""
    return _read(wanted) in ipaddress.IPv4Network(subnet.cidr)


def _read(wanted: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(wanted)
    except ValueError as error:
        raise errors.BadRequest(f"{wanted!r} is not an IPv4 address.") from error


def check(subnet: Subnet, wanted: str) -> ipaddress.IPv4Address:
    """Check that an address can be a port's in this subnet. Raises: BadRequest; Conflict for the gateway's."""
    address = _read(wanted)
    network = ipaddress.IPv4Network(subnet.cidr)
    if address not in network or address in (network.network_address, network.broadcast_address):
        raise errors.BadRequest(f"{address} is not an address of {subnet.cidr}.", type="InvalidIpForSubnet")
    if str(address) == subnet.gateway_ip:
        raise errors.Conflict(f"The address {address} is the gateway's.", type="IpAddressInUse")
    return address
