"""Blind retries: creates through a proxy that cuts connections, and an API process that is killed, come out as one each."""

from __future__ import annotations

import collections
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from faults.cutting import CuttingProxy

from nova_lite.cli import keeping, phases
from nova_lite.cli.installation import Installation
from nova_lite.cli.steps import Steps
from nova_lite.db.tables.journal import operations
from nova_lite.db.tables.servers import servers

CLIENTS = 4
READY_S = 60.0
PATIENCE_S = 120.0  # for one request with all of its retries
TIMEOUT_S = 10.0


class ApiAlone:
    """A cloud of one API process on SQLite: requests are accepted, and nobody carries them out."""

    def __init__(self, root: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.config = root / "nova-lite.conf"
        self.config.write_text(
            f"[DEFAULT]\nstate_dir = {root}/state\nrun_dir = {root}/run\nlog_dir = {root}/log\nhealth_port = 0\n"
            f"[api]\nport = {self.port}\n"
        )
        self.installation = Installation((self.config,))
        self._log = root / "api.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.token = ""
        self.deaths = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def set_up(self) -> None:
        """Make keys, database and first users; start; log in as the admin, whose project may have many servers."""
        bringing, note = phases.Bringing(self.installation, Steps()), _Silent()
        bringing.make_keys(note)
        bringing.migrate(note)
        bringing.bootstrap(note)
        self.start()
        domain = {"id": "default"}
        password = keeping.passwords(self.installation.keys_dir)["admin"]
        identity = {"methods": ["password"], "password": {"user": {"name": "admin", "domain": domain, "password": password}}}
        scope = {"project": {"name": "admin", "domain": domain}}
        answer = requests.post(
            f"{self.url}/identity/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}, timeout=30
        )
        answer.raise_for_status()
        self.token = answer.headers["X-Subject-Token"]
        project_id = answer.json()["token"]["project"]["id"]
        quota = {"instances": 10000, "cores": 100000, "ram": 100_000_000}
        self.ask("PUT", f"/compute/v2.1/os-quota-sets/{project_id}", json={"quota_set": quota})

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Send a request without a proxy; give its JSON."""
        headers = {"X-Auth-Token": self.token, **more.pop("headers", {})}
        answer = requests.request(method, f"{self.url}{path}", headers=headers, timeout=30, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def image(self) -> str:
        """Make a small active image."""
        made = self.ask("POST", "/image/v2/images", json={"name": "tiny", "disk_format": "raw", "container_format": "bare"})
        bytes_are = {"Content-Type": "application/octet-stream"}
        self.ask("PUT", f"/image/v2/images/{made['id']}/file", data=b"x" * 65536, headers=bytes_are)
        return str(made["id"])

    def start(self) -> None:
        """Start the process and wait until it serves."""
        command = [str(Path(sys.prefix) / "bin" / "nova-lite-api"), "--config-file", str(self.config)]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.url}/identity/v3", timeout=5).ok:
                    return
            time.sleep(0.1)
        raise AssertionError(f"the API does not serve:\n{self._log.read_text(errors='replace')[-3000:]}")

    def kill(self) -> None:
        """Cut the process's power, with its workers."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def close(self) -> None:
        """Take everything away."""
        self.kill()
        self.installation.database.dispose()


class _Silent:
    def say(self, _word: str) -> None:
        """Say nothing."""


@contextlib.contextmanager
def api_alone(root: Path) -> Iterator[ApiAlone]:
    """Have a cloud that accepts, while the block lasts."""
    cloud = ApiAlone(root)
    try:
        cloud.set_up()
        yield cloud
    finally:
        cloud.close()


class Blind:
    """Clients that repeat each create until it is answered, knowing nothing of what came of the tries before."""

    def __init__(self, url: str, token: str, image: str) -> None:
        self._url = url
        self._token = token
        self._image = image
        self.requests = 0
        self.replayed = 0

    def create(self, name: str) -> str:
        """Have one server accepted; give its id."""
        key = str(uuid.uuid4())
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.requests += 1
            answer = self._try(name, key)
            if answer is not None and answer.status_code == 202:
                self.replayed += answer.headers.get("Idempotency-Replayed") == "true"
                return str(answer.json()["server"]["id"])
            if answer is not None:  # a request that was cut is told so, if its connection still stands
                assert answer.status_code in (400, 408, 503), f"{answer.status_code} {answer.text[:500]}"
        raise AssertionError(f"{name} was not answered in {PATIENCE_S:.0f} s")

    def _try(self, name: str, key: str) -> requests.Response | None:
        body = {"server": {"name": name, "imageRef": self._image, "flavorRef": "1"}}
        headers = {"X-Auth-Token": self._token, "Idempotency-Key": key, "Connection": "close"}
        try:
            return requests.post(f"{self._url}/compute/v2.1/servers", json=body, headers=headers, timeout=TIMEOUT_S)
        except requests.RequestException:
            return None


def play(cloud: ApiAlone, *, number: int, seed: int, kills: int) -> tuple[Blind, CuttingProxy]:
    """Create so many servers blindly, killing the API a few times meanwhile. Raises: AssertionError unless each is one."""
    sys.stdout.write(f"seed {seed}: {number} servers, {kills} kills\n")
    with CuttingProxy(cloud.port, seed) as proxy:
        blind = Blind(proxy.url, cloud.token, cloud.image())
        names = [f"blind-{index}" for index in range(number)]
        with _dying(cloud, kills, random.Random(f"{seed} kills")), ThreadPoolExecutor(CLIENTS) as pool:
            ids = list(pool.map(blind.create, names))
    _check(cloud, dict(zip(names, ids, strict=True)))
    return blind, proxy


@contextlib.contextmanager
def _dying(cloud: ApiAlone, kills: int, chance: random.Random) -> Iterator[None]:
    """Kill the API and start it anew, while the block lasts, at most so often; it runs in the end."""
    done = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(kills):
                if done.wait(chance.uniform(0.3, 1.5)):
                    return
                cloud.kill()
                cloud.deaths += 1
                cloud.start()
        except (AssertionError, OSError) as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert not failures, failures


def _check(cloud: ApiAlone, answered: dict[str, str]) -> None:
    """See in the database that each name stands for one server, the one that was answered, with one boot."""
    with cloud.installation.database.read() as tx:
        found = [(row.name, row.id) for row in tx.execute(sa.select(servers.c.name, servers.c.id))]
        boots = list(tx.execute(sa.select(operations.c.subject_id).where(operations.c.workflow == "boot")).scalars())
    doubled = [name for name, count in collections.Counter(name for name, _ in found).items() if count > 1]
    assert not doubled, f"made more than once: {doubled}"
    assert dict(found) == answered
    assert sorted(boots) == sorted(answered.values())
    used = cloud.ask("GET", "/compute/v2.1/limits")["limits"]["absolute"]["totalInstancesUsed"]
    assert used == len(answered), f"{used} servers are booked, {len(answered)} were asked for"
