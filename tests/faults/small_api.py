"""One real api process with the Identity and Image APIs, SQLite and a folder for images: quick to start, killable."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests
from real.rabbit import free_ports

from nova_lite.cli.image_line import Line
from nova_lite.db import migrate
from nova_lite.db.engine import Database
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.identity.service import ensure_all_keys
from nova_lite.image.client import Patience

READY_S = 90.0
PASSWORD = "pw"
QUICK = Patience(connect_s=5.0, read_s=30.0, without_progress_s=120.0, pause_s=0.02)
BODY: dict[str, Any] = {
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "demo", "domain": {"id": "default"}, "password": PASSWORD}},
        },
        "scope": {"project": {"name": "demo", "domain": {"id": "default"}}},
    }
}


class SmallApi:
    """The process, its folder, and a member's token."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        """Make database, keys and users, and start, with more of the daemon's environment."""
        self.folder = folder
        self._settings = settings or {}
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = Database(f"sqlite:///{folder}/nova-lite.db")
        migrate.upgrade(self.database)
        ensure_all_keys(folder, time.time())
        bootstrap(self.database, admin_password=PASSWORD, demo_password=PASSWORD, region="RegionOne", public_url=self.url)
        self.kills = 0
        self.start()
        answer = requests.post(f"{self.url}/identity/v3/auth/tokens", json=BODY, timeout=60)
        self.token = answer.headers["X-Subject-Token"]

    def start(self) -> None:
        """Start it and wait until it serves."""
        settings = {
            "OS_DEFAULT__STATE_DIR": str(self.folder),
            "OS_DEFAULT__LOG_DIR": str(self.folder / "audit"),
            "OS_DEFAULT__HEALTH_PORT": "0",
            "OS_API__PORT": str(self.port),
            "OS_IDENTITY__POLICY_FILE": str(self.folder / "policy.yaml"),
        }
        command = [sys.executable, "-m", "nova_lite.api.daemon", "--services", "identity,image"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | settings | self._settings, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.url}/healthz", timeout=5).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text(encoding="utf-8")[-4000:])

    def kill(self) -> None:
        """Cut its power."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        self.kills += 1

    def line(self, url: str = "") -> Line:
        """Give a client's way to the images, by another address perhaps."""
        return Line(url=f"{url or self.url}/image/v2", token=lambda _renew: self.token, patience=QUICK)

    def files(self) -> list[str]:
        """List what the store holds, by folder and name."""
        root = self.folder / "images"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def close(self) -> None:
        """End all of it."""
        self.kill()
        self.database.dispose()
