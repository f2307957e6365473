"""Tokens beside Keystone's: both under gunicorn with one worker of as many threads, SQLite, on this machine, in turns.

Each has its own default password hash: ours argon2id (19 MiB, 2 passes), Keystone's bcrypt (cost 12). Keystone's token cache is
off, as it is without memcached. Times hold the client too; CPU is the server's alone.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

HERE = Path(__file__).resolve().parents[1]
THREADS, SECONDS, CLIENTS = 16, 9.0, (1, 8, 32)
AIMS = {"validate": "≥ 20", "reissue": "≥ 10", "issue": "≥ 3"}
Figures = dict[str, tuple[float, str, str]]


def run(folder: Path) -> Figures:
    """Measure both in turns."""
    sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
    from logins import measure
    from real import keystone

    if keystone.environment_folder() is None:
        raise SystemExit("Keystone is not installed: ./run-tests tests/real puts it into .venv-keystone")
    other = keystone.Keystone(threads=THREADS)
    figures: Figures = {}
    try:
        other.start()
        with ours(folder) as (url, password, pid):
            for clients in CLIENTS:
                here = measure(url, body("admin", password), clients, SECONDS, pid)
                there = measure(other.url, body("admin", keystone.PASSWORD), clients, SECONDS, other.process.pid)
                figures |= compared(clients, here, there)
    finally:
        other.remove()
    return figures


def body(user: str, password: str) -> dict[str, Any]:
    domain = {"id": "default"}
    who = {"user": {"name": user, "domain": domain, "password": password}}
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": who},
            "scope": {"project": {"name": user, "domain": domain}},
        }
    }


def compared(clients: int, here: dict[str, Any], there: dict[str, Any]) -> Figures:
    """Put both beside each other; the factor is of the CPU a request, which other work on the machine does not change."""
    figures: Figures = {}
    for kind, aim in AIMS.items():
        for who, measured in (("ours", here[kind]), ("Keystone", there[kind])):
            name = f"{kind}, {clients} clients, {who}"
            figures |= {
                f"{name}: {figure}": (measured[figure], unit, "")
                for figure, unit in (("p50_ms", "ms"), ("p99_ms", "ms"), ("cpu_ms", "ms"), ("per_s", "/s"), ("failed", ""))
            }
        figures[f"{kind}, {clients} clients: Keystone's CPU over ours"] = (ratio(there[kind], here[kind], "cpu_ms"), "x", aim)
        figures[f"{kind}, {clients} clients: Keystone's p50 over ours"] = (ratio(there[kind], here[kind], "p50_ms"), "x", aim)
    return figures


def ratio(there: dict[str, float], here: dict[str, float], figure: str) -> float:
    return there[figure] / max(here[figure], 0.001)


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[tuple[str, str, int]]:
    """Run our APIs; give Identity's address, the administrator's password and the process."""
    from real.rabbit import free_ports

    from nova_lite.db import migrate
    from nova_lite.db.engine import Database
    from nova_lite.identity.bootstrap import bootstrap

    port = free_ports(1)[0]
    url, password = f"http://127.0.0.1:{port}", "nova-lite-admin"
    database = Database(f"sqlite:///{folder}/ours.db")
    migrate.upgrade(database)
    bootstrap(database, admin_password=password, demo_password="d", region="RegionOne", public_url=url)
    database.dispose()
    config = folder / "ours.conf"
    config.write_text(
        f"[DEFAULT]\nstate_dir = {folder}\n[database]\nurl = sqlite:///{folder}/ours.db\n"
        f"[api]\nport = {port}\nworkers = 1\nthreads = {THREADS}\n"
    )
    command = [sys.executable, "-m", "nova_lite.api.daemon", "--config-file", str(config)]
    with (folder / "ours.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(HERE.parent)})
    try:
        await_answer(f"{url}/identity/v3")
        yield f"{url}/identity/v3", password, process.pid
    finally:
        process.terminate()
        process.wait(30)


def await_answer(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")
