"""50 servers on 4 simulated hosts: separate processes, real RabbitMQ, SQLite. Also what the daemons weigh."""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
SERVERS = 50
HOSTS = ("b1", "b2", "b3", "b4")
TICKS = os.sysconf("SC_CLK_TCK")


def run(folder: Path) -> dict[str, tuple[float, str, str]]:
    """Boot them all as fast as the API takes them."""
    cloud_module = _load(TOP / "tests" / "faults" / "cloud.py")
    with cloud_module.running(folder, host_names=HOSTS) as cloud:
        cloud.make_quota_ample()
        image = cloud.image()
        weight = sum(pss_mib(pid) for name in ("api", "conductor", "scheduler", "compute.b1") for pid in tree(cloud, name))
        return {**burst(cloud, image), "PSS of api, conductor, scheduler, one host": (weight, "MiB", "≤ 400, aim 256")}


def burst(cloud: Any, image: str) -> dict[str, tuple[float, str, str]]:
    """Measure from the first request to the last ACTIVE."""
    cpu_before = cpu_s(cloud)
    started = time.time()
    ids = [cloud.boot(f"burst{number}", image) for number in range(SERVERS)]
    accepted = time.time()
    cloud.wait(lambda: all(server["status"] == "ACTIVE" for server in cloud.servers().values()), 120, "all ACTIVE")
    cpu = cpu_s(cloud) - cpu_before
    with cloud.database.read() as tx:
        times = tx.connection.exec_driver_sql("SELECT id, created_at, launched_at FROM servers").all()
    took = sorted(launched - created for server_id, created, launched in times if server_id in ids)
    last = max(launched for _, _, launched in times)
    return {
        "rate": (SERVERS / (last - started), "servers/s", "20"),
        "accepting": (SERVERS / (accepted - started), "requests/s", ""),
        "time to ACTIVE, p50": (statistics.median(took), "s", ""),
        "time to ACTIVE, p99": (took[int(len(took) * 0.99)], "s", ""),
        "CPU of all daemons": (cpu / SERVERS, "s/server", ""),
    }


def tree(cloud: Any, name: str) -> list[int]:
    """List a daemon's processes."""
    leader = cloud.processes[name].pid
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader:  # process group: each daemon leads its own
            found.append(int(path.parent.name))
    return found


def pss_mib(pid: int) -> float:
    """Read a process's proportional share of memory."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_s(cloud: Any) -> float:
    """Add up user and system time of all daemons."""
    total = 0
    for name in cloud.processes:
        for pid in tree(cloud, name):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
