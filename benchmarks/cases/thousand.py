"""1,000 servers on 100 simulated hosts, on SQLite and on PostgreSQL: real daemons (one of each kind), a real RabbitMQ.

The hosts are one process of 100. 16 clients create the servers, one request each. SERVERS=200 makes it shorter, DATABASES
chooses. Rates are of the whole: the machine also runs the broker, the database, all hosts and the clients.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import http.client
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[2] / "tests"
SERVERS = int(os.environ.get("SERVERS", "1000"))
HOSTS = tuple(f"t{number:03d}" for number in range(100))
DATABASES = os.environ.get("DATABASES", "sqlite,postgres").split(",")
CLIENTS = 16
PATIENCE_S = 420.0
Figures = dict[str, tuple[float, str, str]]


def run(folder: Path) -> Figures:
    """Boot them on each database."""
    sys.path.insert(0, str(TESTS))
    figures: Figures = {}
    for name in DATABASES:
        with cloud_on(name, folder / name) as cloud:
            figures |= {f"{name}, {what}": figure for what, figure in boots(cloud).items()}
    return figures


@contextlib.contextmanager
def cloud_on(database: str, folder: Path) -> Iterator[Any]:
    """Have the cloud, with quota for all."""
    from faults.case import CloudSpec
    from faults.cloud import running
    from real import databases

    folder.mkdir()
    spec = CloudSpec(apis=1, conductors=1, schedulers=1, database=database, one_compute=True)
    with contextlib.ExitStack() as stack:
        url = ""
        if database == "postgres":
            url = stack.enter_context(stack.enter_context(databases.postgres()).database())
        cloud = stack.enter_context(running(folder, host_names=HOSTS, database_url=url, spec=spec))
        cloud.make_quota_ample()
        yield cloud


def boots(cloud: Any) -> Figures:
    """Measure from the first request to the last server that is ACTIVE."""
    image, token = cloud.image(), cloud.token()
    cloud.wait(lambda: status_of(cloud, cloud.boot("warm", image)) == "ACTIVE", 60, "the first one is ACTIVE")
    cpu_before, began = cpu_s(cloud), time.time()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda part: create(cloud, token, image, part), [range(n, SERVERS, CLIENTS) for n in range(CLIENTS)]))
    accepted = time.time()
    cloud.wait(lambda: living(cloud) == 0, PATIENCE_S, "none is in BUILD")
    cpu = {name: after - cpu_before[name] for name, after in cpu_s(cloud).items()}
    rows = built(cloud)
    took = sorted(row["launched_at"] - row["created_at"] for row in rows if row["state"] == "active")
    last = max(row["launched_at"] or 0.0 for row in rows)
    return {
        "boots": (len(took) / (last - began), "servers/s", "50"),
        "accepted": (SERVERS / (accepted - began), "requests/s", ""),
        "not ACTIVE": (SERVERS - len(took), "servers", "0"),
        "time to ACTIVE, p50": (statistics.median(took), "s", ""),
        "time to ACTIVE, p99": (took[int(len(took) * 0.99)], "s", ""),
        **choices(cloud),
        **{f"CPU of {name}": (spent / SERVERS * 1000, "ms/server", "") for name, spent in cpu.items()},
    }


def status_of(cloud: Any, server_id: str) -> str:
    """Wait a moment, then look."""
    time.sleep(3.0)
    return str(cloud.servers()[server_id]["status"])


def create(cloud: Any, token: str, image: str, numbers: Sequence[int]) -> None:
    """Create servers over one connection; what is told to come back does."""
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=60)
    headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
    for number in numbers:
        server = {"name": f"t{number}", "imageRef": image, "flavorRef": "1"}
        while True:
            connection.request("POST", "/compute/v2.1/servers", json.dumps({"server": server}), headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status not in (429, 503):
                break
            time.sleep(0.5)
        if answer.status != 202:
            raise SystemExit(f"a create request was answered with {answer.status}")
    connection.close()


def living(cloud: Any) -> int:
    """Count operations that have not ended."""
    with cloud.database.read() as tx:
        return int(tx.connection.exec_driver_sql("SELECT count(*) FROM operations WHERE ended_at IS NULL").scalar_one())


def built(cloud: Any) -> list[Mapping[str, Any]]:
    """Read what became of the servers, without the first."""
    query = "SELECT state, created_at, launched_at FROM servers WHERE name <> 'warm'"
    with cloud.database.read() as tx:
        return [dict(row) for row in tx.connection.exec_driver_sql(query).mappings()]


def choices(cloud: Any) -> Figures:
    """Say what choosing took, and how often a host was full when it was claimed, as the journal has it."""
    from nova_lite.durable import journal
    from nova_lite.model.ids import OperationId

    spans, refused, again = [], 0, 0
    with cloud.database.read() as tx:
        query = "SELECT id, results FROM operations WHERE workflow = 'boot'"
        for row in tx.connection.exec_driver_sql(query).mappings().all():
            results = json.loads(row["results"]) if isinstance(row["results"], str) else row["results"]
            found = {name: value for result in results.values() for name, value in (result or {}).items()}
            refused += found["hosts"].index(found["host"]) if found.get("host") in found.get("hosts", ()) else 0
            counted = collections.Counter(event.step for event in journal.events(tx, OperationId(row["id"])))
            again += max(counted["choose_hosts"] - 1, 0)
            spans += [event for event in journal.events(tx, OperationId(row["id"])) if event.step == "choose_hosts"]
    took = sorted(event.ended_at - event.started_at for event in spans)
    whole = max(event.ended_at for event in spans) - min(event.started_at for event in spans)
    return {
        "scheduler decisions": (len(spans) / whole, "decisions/s", ""),
        "a decision with its way there and back, p50": (statistics.median(took) * 1000, "ms", ""),
        "claims that a host refused": (refused, "", ""),
        "choices made anew": (again, "", ""),
    }


def cpu_s(cloud: Any) -> dict[str, float]:
    """Add up user and system time of each daemon."""
    ticks = os.sysconf("SC_CLK_TCK")
    leaders = {process.pid: name for name, process in cloud.processes.items()}
    spent: dict[str, float] = dict.fromkeys(cloud.processes, 0.0)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            name = leaders.get(int(fields[2]))  # process group: each daemon leads its own
            if name is not None:
                spent[name] += (int(fields[11]) + int(fields[12])) / ticks
    return spent
