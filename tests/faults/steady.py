"""Steady load while something is away: servers are asked for one after another, and each answer is noted with its time."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

import requests
import sqlalchemy as sa
from faults import invariants

from nova_lite.db.types import METADATA

PACE_S = 0.5
REPEAT_S = 1.0
NAME = "steady-"  # each server's name begins so


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answered:
    """One request for a server: when it ended, how long it took, and what the answer was."""

    at: float
    seconds: float
    status: int
    retry_after: str | None


class Steady:
    """Boots servers, with a key for each, so that a repeated request makes one server only."""

    def __init__(self, cloud: Any) -> None:
        """Everything that needs an answer of a healthy cloud is asked for here."""
        self._cloud = cloud
        self._image = cloud.image()
        self._token = cloud.token()
        self._stop = threading.Event()
        self.pace_s = PACE_S
        self.ids: list[str] = []
        self.answers: list[Answered] = []
        self.cut = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[Steady]:
        """Ask while the block lasts; what was begun is asked to its end."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(120)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._boot(secrets.token_hex(16))
            self._stop.wait(self.pace_s)

    def _boot(self, key: str) -> None:
        end = time.monotonic() + 110
        while time.monotonic() < end:
            answer = self._ask(key)
            if answer is not None and answer.status_code == 202:
                self.ids.append(answer.json()["server"]["id"])
                return
            time.sleep(REPEAT_S)

    def _ask(self, key: str) -> requests.Response | None:
        body = {"server": {"name": NAME + key[:8], "imageRef": self._image, "flavorRef": "1"}}
        headers = {"X-Auth-Token": self._token, "Idempotency-Key": key}
        began = time.monotonic()
        try:
            answer = requests.post(f"{self._cloud.url}/compute/v2.1/servers", json=body, headers=headers, timeout=30)
        except requests.RequestException:
            self.cut += 1
            return None
        now = time.monotonic()
        retry = answer.headers.get("Retry-After")
        self.answers.append(Answered(at=now, seconds=now - began, status=answer.status_code, retry_after=retry))
        return answer

    @property
    def refused(self) -> int:
        """Count the answers of 503."""
        return sum(one.status == 503 for one in self.answers)

    def accepted(self, begin: float, end: float) -> list[str]:
        """List the servers that were accepted between two moments of the monotonic clock."""
        moments = [one.at for one in self.answers if one.status == 202]
        return [server_id for at, server_id in zip(moments, self.ids, strict=False) if begin <= at < end]

    def made(self, begin: float, end: float) -> int:
        """Count the servers that came up between two moments of the wall clock, by the hosts' reports."""
        launched = METADATA.tables["servers"].c.launched_at
        with self._cloud.database.engine.connect() as connection:
            found = connection.execute(sa.select(sa.func.count()).where(launched >= begin, launched < end))
            return int(found.scalar() or 0)

    def wrong(self) -> list[Answered]:
        """List the answers that are neither an acceptance nor an explained 503."""
        return [one for one in self.answers if one.status != 202 and not (one.status == 503 and one.retry_after)]

    def finish(self, stage: Any, within_s: float) -> float:
        """See that each accepted server comes to be, once; give how long it took. They are deleted in the end."""
        began = time.monotonic()
        wanted = set(self.ids)

        def missing() -> list[str]:
            servers = self._cloud.servers()
            return [one for one in self.ids if servers[one]["status"] != "ACTIVE"]

        try:
            self._cloud.wait(lambda: not missing(), within_s, "every accepted server is ACTIVE")
        except AssertionError as error:
            left = missing()
            raise AssertionError("\n".join([f"{len(left)} of {len(wanted)}", *map(self._cloud.story, left[:2])])) from error
        took = time.monotonic() - began
        stage.tally.requests += len(self.answers)
        stage.tally.delayed(took)
        assert len(wanted) == len(self.ids), "two requests were given the same server"
        assert wanted == set(self._cloud.servers()), "there are servers that nobody was promised"
        invariants.check(self._cloud, stage.tally, active=wanted)
        for server_id in wanted:
            self._cloud.delete(server_id)
        self._cloud.wait(lambda: not self._cloud.servers(), 60.0, "every server is gone")
        return took
