"""Tokens per second of any Keystone v3 service over HTTP: made of a password, made of a token, checked; with times and CPU."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAUSE_S = 0.05  # after a refusal, as a client that is asked to wait; else refusals would be what is measured
TICKS = os.sysconf("SC_CLK_TCK")
Ask = Callable[[http.client.HTTPConnection], int]


def measure(url: str, login_body: dict[str, Any], clients: int, seconds: float, pid: int | None = None) -> dict[str, Any]:
    """Ask the service at `url` (with /v3) from so many clients for so long, each way for a third of the time.

    Give for `issue` (password), `reissue` (a token of a token: all but the hash) and `validate`: p50_ms, p99_ms, per_s, failed,
    and cpu_ms a request of the process `pid` with its children.
    """
    place = urllib.parse.urlsplit(url)
    address, path = (place.hostname or "", place.port or 80), f"{place.path}/auth/tokens"
    token = _log_in(address, path, login_body)
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": login_body["auth"]["scope"]}}
    kinds: dict[str, Ask] = {
        "issue": lambda line: _send(line, "POST", path, login_body),
        "reissue": lambda line: _send(line, "POST", path, again),
        "validate": lambda line: _send(line, "GET", path, None, {"X-Auth-Token": token, "X-Subject-Token": token}),
    }
    return {name: _run(address, ask, clients, seconds / len(kinds), pid) for name, ask in kinds.items()}


def _log_in(address: tuple[str, int], path: str, body: dict[str, Any]) -> str:
    line = http.client.HTTPConnection(*address, timeout=60)
    line.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = line.getresponse()
    answer.read()
    if answer.status != 201:
        raise SystemExit(f"{path}: the login answers {answer.status}")
    return str(answer.headers["X-Subject-Token"])


def _send(line: http.client.HTTPConnection, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> int:
    content = None if body is None else json.dumps(body)
    line.request(method, path, content, {"Content-Type": "application/json", **(headers or {})})
    answer = line.getresponse()
    answer.read()
    return answer.status


def _run(address: tuple[str, int], ask: Ask, clients: int, seconds: float, pid: int | None) -> dict[str, float]:
    took: list[float] = []
    failed: list[int] = []  # their statuses, 0 for a cut
    began, cpu_before = time.monotonic(), cpu_s(pid)
    until = began + seconds

    def client() -> None:
        line = http.client.HTTPConnection(*address, timeout=60)
        while time.monotonic() < until:
            started = time.monotonic()
            try:
                status = ask(line)
            except (OSError, http.client.HTTPException):
                line.close()
                status = 0
            if status in (200, 201):
                took.append(time.monotonic() - started)
            else:
                failed.append(status)
                time.sleep(PAUSE_S)
        line.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - began
    spent = cpu_s(pid) - cpu_before
    return {
        "p50_ms": 1000 * statistics.median(took) if took else float("nan"),
        "p99_ms": 1000 * sorted(took)[int(len(took) * 0.99)] if took else float("nan"),
        "per_s": len(took) / elapsed,
        "cpu_ms": 1000 * spent / max(1, len(took)),
        "failed": len(failed),
    }


def cpu_s(pid: int | None) -> float:
    """Give the CPU seconds that a process and its children have spent; 0 for none."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    children = (task / "children" for task in Path(f"/proc/{pid}/task").iterdir())
    below = sum(cpu_s(int(child)) for file in children for child in file.read_text(encoding="ascii").split())
    return (int(fields[11]) + int(fields[12])) / TICKS + below
