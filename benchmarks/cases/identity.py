"""Tokens: issue and validation in one api with one worker, at 1, 8 and 32 clients, and validation in process.

Each figure is named after who answers, so that others may stand beside ours in one table: `measure()` takes the address of
any Identity v3 and the process groups that serve it.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import statistics
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
CLIENTS = (1, 8, 32)
ISSUES, VALIDATIONS = 128, 1024  # for each number of clients
IN_PROCESS = 5000
TICKS = os.sysconf("SC_CLK_TCK")
Figures = dict[str, tuple[float, str, str]]


def run(folder: Path) -> Figures:
    """Measure ours. Another Identity is measured by one more call of `measure`."""
    from nova_lite.cli import keeping

    cloud_module = _load(TOP / "tests" / "faults" / "cloud.py")
    with cloud_module.running(folder, host_names=()) as cloud:
        burst = _load(TOP / "benchmarks" / "cases" / "burst.py")
        root = f"{cloud.url}/identity/v3"
        password = keeping.passwords(cloud.installation.keys_dir)["admin"]
        figures = measure("ours", root, "admin", password, lambda: burst.tree(cloud, "api"))
    return figures | in_process(folder)


def measure(name: str, root: str, user: str, password: str, pids: Callable[[], Sequence[int]]) -> Figures:
    """Ask an Identity service for tokens and have it check them; `pids` are the processes whose CPU counts."""
    figures: Figures = {}
    token = _issue(root, user, password)
    work = {
        "issue": (ISSUES, lambda: _issue(root, user, password)),
        "validation": (VALIDATIONS, lambda: _validate(root, token)),
    }
    for verb, (count, ask) in work.items():
        for clients in CLIENTS:
            before = _cpu_s(pids())
            took = sorted(_together(clients, count, ask))
            cpu = (_cpu_s(pids()) - before) / count
            label = f"{name}, {verb}, {clients} clients"
            figures[f"{label}: p50"] = (statistics.median(took) * 1000, "ms", "")
            figures[f"{label}: p99"] = (took[int(len(took) * 0.99)] * 1000, "ms", "")
            figures[f"{label}: CPU"] = (cpu * 1000, "ms/request", "")
    return figures


def in_process(folder: Path) -> Figures:
    """Measure what a check costs an api itself, without HTTP."""
    from nova_lite.clock import SystemClock
    from nova_lite.conf.identity import IdentityOptions
    from nova_lite.db.engine import Database
    from nova_lite.db.schema import create_all
    from nova_lite.identity import passwords
    from nova_lite.identity.service import make_identity
    from nova_lite.identity.tokens import Claims, new_audit_id

    database = Database(f"sqlite:///{folder / 'tokens.db'}")
    create_all(database)
    tokens = make_identity(database, folder, IdentityOptions(), SystemClock()).tokens
    now = time.time()
    people = {"user_id": "u" * 32, "user_name": "demo", "user_domain_id": "default", "roles": ("member", "reader")}
    life = {"issued_at": now, "expires_at": now + 3600, "audit_ids": (new_audit_id(),), "methods": ("password",)}
    claims = Claims(**people, **life)  # type: ignore[arg-type]
    token = tokens.issue(claims)
    return {
        "in process: validation, CPU": (_cpu_of(lambda: tokens.check(token, "req-1")) * 1e6, "µs", "≤ 150"),
        "in process: signing, CPU": (_cpu_of(lambda: tokens.issue(claims)) * 1e6, "µs", ""),
        "in process: argon2id, CPU": (_cpu_of(lambda: passwords.make_hash("a password"), 20) * 1e3, "ms", ""),
    }


def _cpu_of(work: Callable[[], Any], times: int = IN_PROCESS) -> float:
    work()
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times


def _together(clients: int, count: int, ask: Callable[[], Any]) -> list[float]:
    """Ask so often by so many threads; give what each took, in seconds."""
    took: list[float] = []

    def client() -> None:
        for _ in range(count // clients):
            started = time.monotonic()
            ask()
            took.append(time.monotonic() - started)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(took) != count // clients * clients:
        raise SystemExit("Some requests were not answered; their errors stand above.")
    return took


_here = threading.local()


def _send(root: str, method: str, headers: dict[str, str], body: str | None) -> tuple[int, str]:
    """Send a request to /auth/tokens on this thread's connection; give the status and the subject's token."""
    address = urllib.parse.urlsplit(root)
    known: dict[str, http.client.HTTPConnection] = _here.__dict__
    connection = known.get(address.netloc) or http.client.HTTPConnection(address.netloc, timeout=60)
    known[address.netloc] = connection
    connection.request(method, f"{address.path}/auth/tokens", body=body, headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers.get("X-Subject-Token", "")


def _issue(root: str, user: str, password: str) -> str:
    domain = {"id": "default"}
    identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
    body = {"auth": {"identity": identity, "scope": {"project": {"name": user, "domain": domain}}}}
    status, token = _send(root, "POST", {"Content-Type": "application/json"}, json.dumps(body))
    if status != 201:
        raise SystemExit(f"A login was answered with {status}.")
    return token


def _validate(root: str, token: str) -> None:
    status, _ = _send(root, "GET", {"X-Auth-Token": token, "X-Subject-Token": token}, None)
    if status != 200:
        raise SystemExit(f"A validation was answered with {status}.")


def _cpu_s(pids: Sequence[int]) -> float:
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def _load(path: Path) -> Any:
    name = f"bench_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise SystemExit(f"{path} cannot be loaded")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
