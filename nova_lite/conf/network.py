"""Options of the embedded network: one flat network on every host."""

from __future__ import annotations

import dataclasses
import ipaddress

from oslo_config import cfg

from nova_lite import errors

GROUP = "network"
OPTIONS = (
    cfg.StrOpt(
        "bridge",
        default="nova-lite0",
        max_length=15,
        regex=r"^[A-Za-z0-9_.-]+$",
        help="Name of the bridge that guests are connected to, on every host.",
    ),
    cfg.StrOpt("cidr", default="10.99.0.0/24", help="Addresses of the flat network, an IPv4 range of /8 to /28."),
    cfg.ListOpt("dns", default=[], help="Name servers for guests. By default each host's own, which asks the host's."),
    cfg.IntOpt("mtu", default=1500, min=576, max=9216, help="Largest packet on the network, in bytes."),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """The flat network. The first address is the gateway's, the last 4 before the broadcast are left free."""

    bridge: str = "nova-lite0"
    cidr: str = "10.99.0.0/24"
    dns: tuple[str, ...] = ()
    mtu: int = 1500


def read(conf: cfg.ConfigOpts) -> NetworkOptions:
    """Take the values out of a parsed configuration. Raises: ConfigError naming the option."""
    group = conf[GROUP]
    try:
        network = ipaddress.IPv4Network(group.cidr)
        dns = tuple(str(ipaddress.ip_address(address)) for address in group.dns)
    except ValueError as error:
        raise errors.ConfigError(f"[network] cidr, dns: {error}.") from error
    if not 8 <= network.prefixlen <= 28:
        raise errors.ConfigError(f"[network] cidr: a range of /8 to /28 is wanted, not /{network.prefixlen}.")
    return NetworkOptions(bridge=group.bridge, cidr=str(network), dns=dns, mtu=group.mtu)
