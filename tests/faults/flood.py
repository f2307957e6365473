"""Requests at a given rate, whatever becomes of those before, from a process of its own: `python flood.py PLAN`.

PLAN is a JSON file: `rate` in requests a second, `seconds`, `ports`, `token`, `patience_s`, and `requests`, each a method, a
path and a body or null. They are sent in turn, each on a connection of its own. Prints JSON: how many were `offered`, the
`answers` by status, how many refusals were `unexplained` (without Retry-After), `cut` (no answer, but an end) or `hung`
(neither within the patience), and the `longest_s` that an answer took.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

REFUSED = (429, 503)
OPEN = 4000  # connections at a time, of those that a process may have


@dataclasses.dataclass
class Told:
    """What came of the flood."""

    offered: int = 0
    answers: Counter[int] = dataclasses.field(default_factory=Counter)
    unexplained: int = 0
    cut: int = 0
    hung: int = 0
    longest_s: float = 0.0


def flood(plan: dict[str, Any], folder: Path) -> Told:
    """Have a flood, in a process of its own; give what came of it."""
    path = folder / "flood.json"
    path.write_text(json.dumps(plan))
    most_s = plan["seconds"] + 2 * plan["patience_s"] + 30
    command = [sys.executable, __file__, str(path)]  # in a session of its own: the kernel shares processors out by session
    done = subprocess.run(command, capture_output=True, text=True, timeout=most_s, check=True, start_new_session=True)
    told = json.loads(done.stdout)
    return Told(**{**told, "answers": Counter({int(status): count for status, count in told["answers"].items()})})


def encoded(method: str, path: str, body: Any, token: str) -> bytes:
    """Give a request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\nConnection: close\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return head.encode() + b"\r\n" + content


async def ask(port: int, request: bytes, patience_s: float, told: Told) -> None:
    """Ask once, and note what came."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(patience_s):
            answer = await _exchange(port, request)
    except TimeoutError:
        told.hung += 1
        return
    except OSError:
        told.cut += 1
        return
    head = answer.partition(b"\r\n\r\n")[0].lower()
    if not head.startswith(b"http/1.1 "):
        told.cut += 1
        return
    status = int(head[9:12])
    told.answers[status] += 1
    told.unexplained += status in REFUSED and b"\r\nretry-after: " not in head
    told.longest_s = max(told.longest_s, time.monotonic() - began)


async def _exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


async def run(plan: dict[str, Any]) -> Told:
    """Send at the rate; when this machine is too slow for it, what was offered says so."""
    told, tasks = Told(), set[asyncio.Task[None]]()
    turns = itertools.cycle(encoded(*request, plan["token"]) for request in plan["requests"])
    ports = itertools.cycle(plan["ports"])
    began = time.monotonic()
    while (passed := time.monotonic() - began) < plan["seconds"]:
        for _ in range(min(int(passed * plan["rate"]) - told.offered, OPEN - len(tasks))):
            told.offered += 1
            task = asyncio.create_task(ask(next(ports), next(turns), plan["patience_s"], told))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(0.01)
    await asyncio.gather(*tasks)
    return told


def main(path: str) -> None:
    """Do what a plan says, with as many connections as this machine lets a process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    told = asyncio.run(run(json.loads(Path(path).read_text())))
    sys.stdout.write(json.dumps(vars(told)))


if __name__ == "__main__":
    main(sys.argv[1])
