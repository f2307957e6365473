"""A small world for the Network API: the flat network, another project's own one, and ports in several states."""

from __future__ import annotations

import uuid

import pytest

from nova_lite.db import networks as queries
from nova_lite.model.guest import PowerState
from nova_lite.model.server import Server, ServerState
from nova_lite.network import bootstrap, ports, records
from nova_lite.network.service import Networks
from nova_lite.servers import flavors
from nova_lite.servers import records as server_records

SERVER = "00000000-0000-0000-0000-000000000064"
PRIVATE = "00000000-0000-0000-0000-0000000000c8"


@pytest.fixture
def extra_parts(database):
    return {"network": Networks(database)}


@pytest.fixture
def variables(database, world):
    bootstrap.bootstrap(database)
    flavors.bootstrap(database)
    return database.transact(lambda tx: _fill(tx, world.names))


def _fill(tx, names):
    (network,), (subnet,) = records.list_networks(tx), records.list_subnets(tx)
    made = {}
    owners = {"mine": "demo", "used": "demo", "running": "demo", "stale": "demo", "foreign": "other"}
    for name, owner in owners.items():
        wanted = ports.NewPort(network_id=network.id, project_id=names[f"{owner}_project"], name=name)
        made[f"{name}_port"] = ports.create(tx, wanted, seen_by=wanted.project_id).id
    states = {"used": ServerState.RESCUED, "running": ServerState.ACTIVE, "stale": ServerState.DELETED}
    for number, (name, state) in enumerate(states.items()):
        server_id = str(uuid.UUID(int=100 + number))
        bound = {"server_id": server_id, "host": "host1", "device_owner": "compute:nova", "status": "ACTIVE"}
        queries.bind_port(tx, made[f"{name}_port"], bound)
        _add_server(tx, names, server_id, state)
    times = {"created_at": 4e9, "updated_at": 4e9}
    row = {"id": PRIVATE, "name": "private", "bridge": "br1", "project_id": names["other_project"], "shared": False}
    queries.insert_network(tx, row | times)
    return made | {"network": network.id, "subnet": subnet.id, "private": PRIVATE, "server": SERVER}


def _add_server(tx, names, server_id, state):
    server = Server(
        id=server_id, name="s", hostname="s", host="host1", state=state, power_state=PowerState.RUNNING,
        project_id=names["demo_project"], user_id=names["demo_user"], flavor=flavors.get(tx, "1"), image_id=None,
        created_at=1e9, updated_at=1e9,
    )  # fmt: skip
    server_records.insert(tx, server)
