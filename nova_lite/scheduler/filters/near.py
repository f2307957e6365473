"""The hints `build_near_host_ip` and `cidr`: only hosts whose own address is in a network."""

from __future__ import annotations

import functools
import ipaddress

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse


class NearFilter:
    """Refuses a host outside the network that was asked for."""

    name = "near"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of requests with the hint only."""
        return request.hints.near is not None

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare with the host's address."""
        near = request.hints.near
        if near is None or _contains(near, host.facts.host_ip):
            return None
        return refuse(self.name, host, f"is not in network {near}", f"are not in network {near}")


@functools.lru_cache(maxsize=65536)
def _contains(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError:  # a host that told no address is near to nothing
        return False
