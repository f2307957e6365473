"""A cold move's disk: 1 GiB fetched through a host's door, beside the plainest copy of the same file over TLS.

Both ends are processes of their own, on one file system. Each way is gone ROUNDS times in turn, and the best round of each
counts: what disturbs a machine only ever adds. MOVE_MIB makes the disk smaller. The disk is random: nothing of it is empty.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nova_lite.compute.moving import certificate
from nova_lite.compute.moving.fetch import fetch
from nova_lite.model.ids import HostName, ServerId
from nova_lite.rpc.commands import MoveSource

SIZE = int(os.environ.get("MOVE_MIB", "1024")) << 20
ROUNDS = 3
PIECE = 1 << 20
SERVER = ServerId("11111111-2222-4333-8444-555555555555")
PROGRAM = Path(__file__).resolve().parents[1] / "door_server.py"
Figures = dict[str, tuple[float, str, str]]


def run(folder: Path) -> Figures:
    """Copy it both ways in turn."""
    disk = folder / "disk"
    with disk.open("wb") as file:
        for _ in range(SIZE // PIECE):
            file.write(os.urandom(PIECE))
    with serving(folder, disk) as at:
        source = MoveSource(
            host=HostName("source"), address="127.0.0.1", port=at["port"], fingerprint=at["fingerprint"], token="token"
        )
        ways: dict[str, Callable[[], object]] = {
            "plain": lambda: copy(at["plain"], folder / "plain"),
            "door": lambda: fetch(source, SERVER, folder / "fetched", threading.Event()),
        }
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, act in ways.items():
                spent[name].append(measured(act))
                for path in (folder / "plain", folder / "fetched" / "disk"):
                    path.unlink(missing_ok=True)
    (plain_s, plain_cpu), (door_s, door_cpu) = (min(spent[name]) for name in ("plain", "door"))
    return {
        "a plain copy over TLS": (SIZE / plain_s / (1 << 20), "MiB/s", ""),
        "through the door": (SIZE / door_s / (1 << 20), "MiB/s", ""),
        "time through the door, of the plain copy's": (door_s / plain_s, "x", "1.2"),
        "CPU of the target, of the plain copy's": (door_cpu / plain_cpu, "x", ""),
    }


@contextlib.contextmanager
def serving(folder: Path, disk: Path) -> Iterator[Any]:
    """Have both servers in a process of their own; give where they listen."""
    command = [sys.executable, str(PROGRAM), str(folder / "keys"), str(disk)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def measured(act: Callable[[], object]) -> tuple[float, float]:
    """Give the time and this process's CPU time that something takes, in seconds."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    act()
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def copy(port: int, target: Path) -> None:
    """Write what comes into a file, and have it on the disk."""
    with socket.create_connection(("127.0.0.1", port)) as plain, target.open("wb") as file:
        with certificate.client_context().wrap_socket(plain) as secure:
            buffer = memoryview(bytearray(PIECE))
            while count := secure.recv_into(buffer):
                file.write(buffer[:count])
        file.flush()
        os.fsync(file.fileno())
    assert target.stat().st_size == SIZE
