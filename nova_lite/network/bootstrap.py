"""The one flat network that every project may use, made when a cloud is set up."""

from __future__ import annotations

import ipaddress
import uuid

from nova_lite.conf.network import NetworkOptions
from nova_lite.db import networks as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.db.networks import NetworkFilter
from nova_lite.model.ids import ProjectId

NAME = "flat"
KEPT_FREE = 4  # addresses at the end of the range, for an operator's own use


def bootstrap(database: Database, options: NetworkOptions | None = None, *, owner: ProjectId | None = None) -> None:
    """Make the network and its subnet, unless there is a network already. May be repeated."""
    database.transact(lambda tx: _make(tx, options or NetworkOptions(), owner))


def _make(tx: Tx, options: NetworkOptions, owner: ProjectId | None) -> None:
    if queries.select_networks(tx, NetworkFilter()):
        return
    wall = tx.database.clock.wall()
    network_id = str(uuid.uuid4())
    both = {"project_id": owner, "created_at": wall, "updated_at": wall}
    queries.insert_network(
        tx, {"id": network_id, "name": NAME, "bridge": options.bridge, "mtu": options.mtu, "shared": True, **both}
    )
    addresses = ipaddress.IPv4Network(options.cidr)
    row = {
        "id": str(uuid.uuid4()),
        "network_id": network_id,
        "name": f"{NAME}-subnet",
        "cidr": options.cidr,
        "gateway_ip": str(addresses[1]),
        "pool_start": str(addresses[2]),
        "pool_end": str(addresses[-2 - KEPT_FREE]),
        "dns_nameservers": list(options.dns),
        "enable_dhcp": True,
    }
    queries.insert_subnet(tx, row | both)
