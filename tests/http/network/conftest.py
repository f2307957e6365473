"""A small world for the Network API: the flat network, another project's own one, and ports in several states."""

from __future__ import annotations

import pytest

from nova_lite.db import networks as queries
from nova_lite.network import bootstrap, ports, records
from nova_lite.network.service import Networks

SERVER = "00000000-0000-0000-0000-000000000064"
PRIVATE = "00000000-0000-0000-0000-0000000000c8"


@pytest.fixture
def extra_parts(database):
    return {"network": Networks(database)}


@pytest.fixture
def variables(database, world):
    bootstrap.bootstrap(database)
    return database.transact(lambda tx: _fill(tx, world.names))


def _fill(tx, names):
    (network,), (subnet,) = records.list_networks(tx), records.list_subnets(tx)
    made = {}
    for name, owner in (("mine", "demo"), ("used", "demo"), ("foreign", "other")):
        wanted = ports.NewPort(network_id=network.id, project_id=names[f"{owner}_project"], name=name)
        made[f"{name}_port"] = ports.create(tx, wanted, seen_by=wanted.project_id).id
    bound = {"server_id": SERVER, "host": "host1", "device_owner": "compute:nova", "status": "ACTIVE"}
    queries.bind_port(tx, made["used_port"], bound)
    times = {"created_at": 4e9, "updated_at": 4e9}
    row = {"id": PRIVATE, "name": "private", "bridge": "br1", "project_id": names["other_project"], "shared": False}
    queries.insert_network(tx, row | times)
    return made | {"network": network.id, "subnet": subnet.id, "private": PRIVATE, "server": SERVER}
