"""Image data and lists, beside Glance's: both under gunicorn with one worker of 16 threads, on SQLite, on one file system.

An upload is compared with hashing alone (sha512 and md5, as both services do), downloads with the least server that uses
sendfile. Times hold the client too, which has the same cores. BENCH_IMAGE_MIB and BENCH_IMAGES make it smaller; Glance is
installed into `.venv-glance` where it is missing. It has no login here, which spares it some time on each request.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
MIB = int(os.environ.get("BENCH_IMAGE_MIB") or 1024)
IMAGES = int(os.environ.get("BENCH_IMAGES") or 100_000)
PAGE, ROUNDS, PIECE, AT_ONCE = 1000, 60, 1 << 20, 5000
UPLOADS = 3  # the best of them counts: others are what else the machine did
Figures = dict[str, tuple[Any, ...]]


class Service:
    """An Image API: where, with which headers, and whose CPU it is."""

    def __init__(self, url: str, headers: dict[str, str], pid: int) -> None:
        place = urllib.parse.urlsplit(url)
        self.address, self.path = (place.hostname or "", place.port or 80), place.path
        self.headers = headers
        self.pid = pid

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        """Send one request; give what comes. Raises: SystemExit for an error."""
        line = http.client.HTTPConnection(*self.address, timeout=900)
        with contextlib.closing(line):
            line.request(method, self.path + path, body, self.headers | headers)
            answer = line.getresponse()
            content = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:500]!r}")
        return content


def run(folder: Path) -> Figures:
    """Measure ours, and Glance's where it can be installed."""
    sys.path[:0] = [str(TOP / "benchmarks"), str(TOP / "tests")]
    source = folder / "source"
    fill(source)
    hashing = min(hashed(source) for _ in range(UPLOADS))
    with contextlib.ExitStack() as stack:
        mine = stack.enter_context(ours(folder))
        other = stack.enter_context(glances(folder))
        figures: Figures = {f"hashing {MIB} MiB alone": (hashing, "s", "")}
        figures |= compared(mine, other, lambda service: upload(service, source, hashing), UPLOAD_AIMS)
        with plain_server(source) as plain:
            for clients in (1, 4):
                rate = max(download(plain, [""] * clients) for _ in range(2))
                figures[f"{clients} downloads at once: plain sendfile server"] = (rate, "MiB/s", "")
                figures |= compared(mine, other, lambda one, n=clients, r=rate: downloads(one, n, r), DOWNLOAD_AIMS)
        figures |= compared(mine, other, lists, {})
    return figures


UPLOAD_AIMS = {"upload: times of hashing alone": "≤ 1.3"}
DOWNLOAD_AIMS = {f"{clients} downloads at once: share of the plain server": "≥ 0.9" for clients in (1, 4)}


def compared(
    mine: Service, other: Service | None, measure: Callable[[Service], dict[str, tuple[float, str]]], aims: dict[str, str]
) -> Figures:
    """Put both beside each other."""
    here, there = measure(mine), measure(other) if other else {}
    return {
        name: (value, unit, aims.get(name, ""), *((there[name][0],) if there else ())) for name, (value, unit) in here.items()
    }


def fill(path: Path) -> None:
    """Write a file that does not compress, and bring it to the disk."""
    with path.open("wb") as file:
        for _ in range(MIB):
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())


def hashed(path: Path) -> float:
    """Give the seconds that hashing takes, one hash after the other in one thread."""
    started = time.monotonic()
    md5, sha512 = hashlib.md5(usedforsecurity=False), hashlib.sha512()
    with path.open("rb", buffering=0) as file:
        while data := file.read(PIECE):
            md5.update(data)
            sha512.update(data)
    return time.monotonic() - started


def upload(service: Service, source: Path, hashing: float) -> dict[str, tuple[float, str]]:
    """Upload a few times; the last image stays, to be downloaded."""
    from logins import cpu_s

    took, cpu = [], []
    for number in range(UPLOADS):
        image_id = create(service)
        before, started = cpu_s(service.pid), time.monotonic()
        with source.open("rb") as file:
            sent = {"Content-Type": "application/octet-stream", "Content-Length": str(source.stat().st_size)}
            service.ask("PUT", f"/v2/images/{image_id}/file", file, **sent)
        took.append(time.monotonic() - started)
        cpu.append(cpu_s(service.pid) - before)
        if number < UPLOADS - 1:
            service.ask("DELETE", f"/v2/images/{image_id}")
    service.image_id = image_id  # type: ignore[attr-defined]
    return {
        "upload": (min(took), "s"),
        "upload: times of hashing alone": (min(took) / hashing, ""),
        "upload: CPU of the service": (min(cpu), "s"),
    }


def create(service: Service) -> str:
    body = json.dumps({"name": "bench", "disk_format": "raw", "container_format": "bare"})
    made = service.ask("POST", "/v2/images", body, **{"Content-Type": "application/json"})
    return str(json.loads(made)["id"])


def downloads(service: Service, clients: int, plain: float) -> dict[str, tuple[float, str]]:
    from logins import cpu_s

    path = f"/v2/images/{service.image_id}/file"  # type: ignore[attr-defined]
    before = cpu_s(service.pid)
    rate = max(download(service, [path] * clients) for _ in range(2))
    cpu = (cpu_s(service.pid) - before) / 2
    return {
        f"{clients} downloads at once": (rate, "MiB/s"),
        f"{clients} downloads at once: share of the plain server": (rate / plain, ""),
        f"{clients} downloads at once: CPU of the service": (cpu, "s"),
    }


def download(service: Service, paths: list[str]) -> float:
    """Download at once, and throw away; give MiB a second of all together. Raises: SystemExit when one is not whole."""
    received: list[int] = []
    threads = [threading.Thread(target=lambda path=path: received.append(drain(service, path))) for path in paths]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - started
    if received != [MIB << 20] * len(paths):
        raise SystemExit(f"a download is not whole: {received}")
    return MIB * len(paths) / took


def drain(service: Service, path: str) -> int:
    """Read an answer with as little work as Python can."""
    head = "".join(f"{name}: {value}\r\n" for name, value in service.headers.items())
    with socket.create_connection(service.address, timeout=900) as line:
        line.sendall(f"GET {service.path}{path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n{head}\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += line.recv(65536)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{path}: {answer[:300]!r}")
        size, buffer = len(answer.partition(b"\r\n\r\n")[2]), bytearray(PIECE)
        while count := line.recv_into(buffer):
            size += count
    return size


def lists(service: Service) -> dict[str, tuple[float, str]]:
    """Ask for first pages of a long list."""
    service.fill(IMAGES)  # type: ignore[attr-defined]
    took = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        found = json.loads(service.ask("GET", f"/v2/images?limit={PAGE}"))["images"]
        took.append(1000 * (time.monotonic() - started))
        if len(found) != min(PAGE, IMAGES):
            raise SystemExit(f"a page has {len(found)} images")
    took.sort()
    what = f"{PAGE:,} of {IMAGES:,} images"
    return {f"{what}, p50": (statistics.median(took), "ms"), f"{what}, p99": (took[int(len(took) * 0.99)], "ms")}


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[Service]:
    from faults.small_api import SmallApi

    home = folder / "ours"
    home.mkdir()
    api = SmallApi(home, {"OS_API__WORKERS": "1", "OS_API__THREADS": "16"})
    try:
        service = Service(f"{api.url}/image", {"X-Auth-Token": api.token}, api.process.pid)
        owner = json.loads(service.ask("GET", f"/v2/images/{create(service)}"))["owner"]
        service.fill = lambda count: fill_ours(home / "nova-lite.db", owner, count)  # type: ignore[attr-defined]
        yield service
    finally:
        api.close()


@contextlib.contextmanager
def glances(folder: Path) -> Iterator[Service | None]:
    from real import glance

    if glance.ensure_environment() is None:
        sys.stderr.write("Glance cannot be installed here, so ours is measured alone.\n")
        yield None
        return
    other = glance.Glance(folder / "glance", threads=16)
    other.start()
    try:
        service = Service(other.url, {}, other.process.pid if other.process else 0)
        service.fill = lambda count: fill_glances(other.database, count)  # type: ignore[attr-defined]
        yield service
    finally:
        other.stop()


@contextlib.contextmanager
def plain_server(source: Path) -> Iterator[Service]:
    from real.rabbit import free_ports

    port = free_ports(1)[0]
    command = [sys.executable, str(TOP / "benchmarks/sendfile_server.py"), str(port), str(source)]
    process = subprocess.Popen(command)
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                break
            time.sleep(0.05)
        yield Service(f"http://127.0.0.1:{port}/", {}, process.pid)
    finally:
        process.terminate()
        process.wait(10)


def fill_ours(path: Path, owner: str, count: int) -> None:
    def row(number: int) -> dict[str, Any]:
        return {"id": str(uuid.uuid4()), "owner": owner, "status": "active", "visibility": "shared", "size_bytes": 1 << 20,
                "virtual_size_bytes": 1 << 20, "md5": "0" * 32, "sha512": "0" * 128, "min_disk_gib": 0, "min_ram_mib": 0,
                "protected": 0, "hidden": 0, "properties": "{}", "created_at": 1.7e9 + number,
                "updated_at": 1.7e9 + number} | _common(number)  # fmt: skip

    _insert(path, row, count)


def fill_glances(path: Path, count: int) -> None:
    def row(number: int) -> dict[str, Any]:
        when = time.strftime("%Y-%m-%d %H:%M:%S.000000", time.gmtime(1.7e9 + number))
        return {"id": str(uuid.uuid4()), "owner": None, "status": "active", "visibility": "shared", "size": 1 << 20,
                "virtual_size": 1 << 20, "checksum": "0" * 32, "os_hash_algo": "sha512", "os_hash_value": "0" * 128,
                "min_disk": 0, "min_ram": 0, "protected": 0, "os_hidden": 0, "deleted": 0, "created_at": when,
                "updated_at": when} | _common(number)  # fmt: skip

    _insert(path, row, count)


def _common(number: int) -> dict[str, Any]:
    return {"name": f"image-{number}", "disk_format": "raw", "container_format": "bare"}


def _insert(path: Path, row: Callable[[int], dict[str, Any]], count: int) -> None:
    names = list(row(0))
    statement = f"INSERT INTO images ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as database:
        for start in range(0, count, AT_ONCE):
            with database:
                rows = [tuple(row(number).values()) for number in range(start, min(count, start + AT_ONCE))]
                database.executemany(statement, rows)
