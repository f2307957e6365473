"""GET /servers/detail: a page of 1,000 of 100,000 servers, in one process, from request to JSON."""

from __future__ import annotations

import gc
import logging
import statistics
import time
import uuid
from pathlib import Path
from typing import Any

import falcon.testing

from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.context import Context
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.db.tables.servers import servers
from nova_lite.identity.policy import Policy
from nova_lite.model import wire
from nova_lite.model.flavor import Flavor

SERVERS, PAGE, ROUNDS, AT_ONCE = 100_000, 1000, 100, 5000
PROJECT = "a" * 32


class Anybody:
    """Takes every token for a member's of one project."""

    def check(self, token: str, request_id: str, call: object = None) -> Context:
        return Context(request_id=request_id, user_id="u", project_id=PROJECT, roles=frozenset({"member", "reader"}))


def run(folder: Path) -> dict[str, tuple[float, str, str]]:
    """Fill the table, ask for pages, first and late ones."""
    database = Database(f"sqlite:///{folder}/lists.db")
    create_all(database)
    late = ""
    for start in range(0, SERVERS, AT_ONCE):
        some = [row(number) for number in range(start, start + AT_ONCE)]
        database.transact(lambda tx, some=some: tx.execute(servers.insert(), some))
        if start == SERVERS // 2:
            late = some[0]["id"]
    del some
    parts = Parts(database=database, tokens=Anybody(), policy=Policy())
    client = falcon.testing.TestClient(make_app(parts, ["compute"]))
    logging.disable(logging.CRITICAL)
    gc.collect()
    gc.freeze()  # as the daemon does
    try:
        first = sorted(ask(client, f"limit={PAGE}") for _ in range(ROUNDS))
        behind = sorted(ask(client, f"limit={PAGE}&marker={late}") for _ in range(ROUNDS // 4))
    finally:
        logging.disable(logging.NOTSET)
        database.dispose()
    return {
        "1,000 of 100,000 servers in detail, p50": (statistics.median(first), "ms", ""),
        "1,000 of 100,000 servers in detail, p99": (first[int(len(first) * 0.99)], "ms", "80"),
        "the same from the middle, p50": (statistics.median(behind), "ms", ""),
    }


def ask(client: falcon.testing.TestClient, query: str) -> float:
    """Give the milliseconds that one answer took."""
    headers = {"X-Auth-Token": "any", "X-OpenStack-Nova-API-Version": "latest"}
    started = time.perf_counter()
    answer = client.simulate_get("/compute/v2.1/servers/detail", query_string=query, headers=headers)
    took = (time.perf_counter() - started) * 1000
    if answer.status_code != 200 or answer.content.count(b'"hostId"') != PAGE:
        raise RuntimeError(answer.text[:500])
    return took


def row(number: int) -> dict[str, Any]:
    """Make a server's row as boots leave it; every second one is another project's."""
    flavor = Flavor(id="1", name="m1.tiny", vcpus=1, ram_mib=128, disk_gib=1)  # type: ignore[arg-type]
    address = {"network": "private", "ip_address": "10.0.0.5", "mac_address": "fa:16:3e:00:00:01", "version": 4}
    return {
        "id": str(uuid.uuid4()),
        "project_id": PROJECT if number % 2 == 0 else "b" * 32,
        "user_id": "u",
        "name": f"server-{number}",
        "hostname": f"server-{number}",
        "state": "active",
        "power_state": 1,
        "flavor_id": flavor.id,
        "flavor": wire.to_plain(flavor),
        "image_id": str(uuid.uuid4()),
        "image_properties": {},
        "host": "host1",
        "requested_networks": [{"network_id": str(uuid.uuid4()), "port_id": None, "fixed_ip": None, "tag": None}],
        "properties": {"purpose": "bench"},
        "tags": [],
        "scheduler_hints": {},
        "addresses": [address],
        "created_at": 1.7e9 + number,
        "updated_at": 1.7e9 + number,
        "launched_at": 1.7e9 + number,
    }
