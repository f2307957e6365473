"""Tokens, beside Keystone's: both under gunicorn with one worker of as many threads, on SQLite, on this machine, in turns.

Each has its own default password hash: ours argon2id (19 MiB, 2 passes, 1 lane), Keystone's bcrypt (12 rounds). Keystone's own
token cache is off, as it is without memcached. Times hold the client too, which has the same cores; CPU is the server's alone,
so other work on the machine changes the factor of the CPU least. Then what a check costs an api itself, without HTTP.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

TOP = Path(__file__).resolve().parents[2]
THREADS, SECONDS, CLIENTS = 16, 9.0, (1, 8, 32)
IN_PROCESS = 5000
# what was asked for -> its name in the table, and how many times Keystone's figure ours is to be
KINDS = {
    "validate": ("validation", "≥ 20 x"),
    "reissue": ("issue for a token (no hash)", "≥ 10 x"),
    "issue": ("issue for a password", "≥ 3 x"),
}
PLAIN = {"p50_ms": ("p50", "ms"), "p99_ms": ("p99", "ms"), "cpu_ms": ("CPU", "ms/request"), "per_s": ("rate", "/s")}
COMPARED = ("p50_ms", "cpu_ms")
Figures = dict[str, tuple[Any, ...]]


def run(folder: Path) -> Figures:
    """Measure ours, and Keystone's where it is installed."""
    sys.path[:0] = [str(TOP / "benchmarks"), str(TOP / "tests")]
    from logins import measure
    from real import keystone

    figures: Figures = {}
    with contextlib.ExitStack() as stack:
        url, password, pid = stack.enter_context(ours(folder))
        other = None
        if keystone.environment_folder() is None:
            sys.stderr.write("Keystone is not installed, so ours is measured alone: ./run-tests tests/real installs it.\n")
        else:
            other = keystone.Keystone(threads=THREADS)
            stack.callback(other.remove)
            other.start()
        for clients in CLIENTS:
            here = measure(url, body("admin", password), clients, SECONDS, pid)
            there = other and measure(other.url, body("admin", keystone.PASSWORD), clients, SECONDS, other.process.pid)
            figures |= compared(clients, here, there)
    return figures | in_process(folder)


def body(user: str, password: str) -> dict[str, Any]:
    """Give a login in the project of the user's name."""
    domain = {"id": "default"}
    who = {"user": {"name": user, "domain": domain, "password": password}}
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": who},
            "scope": {"project": {"name": user, "domain": domain}},
        }
    }


def compared(clients: int, here: dict[str, Any], there: dict[str, Any] | None) -> Figures:
    """Put both beside each other; what was refused, as on a machine with too much to do, is told too."""
    figures: Figures = {}
    for kind, (label, aim) in KINDS.items():
        mine, other = here[kind], there[kind] if there else None
        for figure, (name, unit) in PLAIN.items():
            beside = (other[figure],) if other else ()
            figures[f"{label}, {clients} clients: {name}"] = (mine[figure], unit, aim if figure in COMPARED else "", *beside)
        if mine["failed"] or (other and other["failed"]):
            beside = (other["failed"],) if other else ()
            figures[f"{label}, {clients} clients: refused"] = (mine["failed"], "", "", *beside)
    return figures


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[tuple[str, str, int]]:
    """Run our APIs; give Identity's address, the administrator's password and the process."""
    from real.rabbit import free_ports

    from nova_lite.db import migrate
    from nova_lite.db.engine import Database
    from nova_lite.identity.bootstrap import bootstrap
    from nova_lite.identity.service import ensure_all_keys

    port = free_ports(1)[0]
    url, password = f"http://127.0.0.1:{port}", "nova-lite-admin"
    database = Database(f"sqlite:///{folder}/ours.db")
    migrate.upgrade(database)
    bootstrap(database, admin_password=password, demo_password="d", region="RegionOne", public_url=url)
    database.dispose()
    ensure_all_keys(folder, time.time())
    config = folder / "ours.conf"
    config.write_text(
        f"[DEFAULT]\nstate_dir = {folder}\nlog_dir = {folder}/log\n[database]\nurl = sqlite:///{folder}/ours.db\n"
        f"[api]\nport = {port}\nworkers = 1\nthreads = {THREADS}\n"
    )
    command = [sys.executable, "-m", "nova_lite.api.daemon", "--config-file", str(config)]
    with (folder / "ours.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(TOP)})
    try:
        await_answer(f"{url}/identity/v3", process, folder / "ours.log")
        yield f"{url}/identity/v3", password, process.pid
    finally:
        process.terminate()
        process.wait(30)


def await_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers. Raises: SystemExit, with what it wrote, when it has ended or a minute is over."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer:\n{log.read_text(errors='replace')[-2000:]}")


def in_process(folder: Path) -> Figures:
    """Measure what a check costs an api itself, without HTTP."""
    from nova_lite.clock import SystemClock
    from nova_lite.conf.identity import IdentityOptions
    from nova_lite.db.engine import Database
    from nova_lite.db.schema import create_all
    from nova_lite.identity import passwords
    from nova_lite.identity.service import ensure_all_keys, make_identity
    from nova_lite.identity.tokens import Claims, new_audit_id

    database = Database(f"sqlite:///{folder / 'tokens.db'}")
    create_all(database)
    ensure_all_keys(folder, SystemClock().wall())
    tokens = make_identity(database, folder, IdentityOptions(), SystemClock()).tokens
    now = time.time()
    people = {"user_id": "u" * 32, "user_name": "demo", "user_domain_id": "default", "roles": ("member", "reader")}
    life = {"issued_at": now, "expires_at": now + 3600, "audit_ids": (new_audit_id(),), "methods": ("password",)}
    claims = Claims(**people, **life)  # type: ignore[arg-type]
    token = tokens.issue(claims)
    return {
        "in process: check of a token, CPU": (_cpu_of(lambda: tokens.check(token, "req-1")) * 1e6, "µs", "≤ 150"),
        "in process: signing, CPU": (_cpu_of(lambda: tokens.issue(claims)) * 1e6, "µs", ""),
        "in process: argon2id, CPU": (_cpu_of(lambda: passwords.make_hash("a password"), 20) * 1e3, "ms", ""),
    }


def _cpu_of(work: Callable[[], Any], times: int = IN_PROCESS) -> float:
    work()
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times
