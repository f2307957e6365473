"""A Ceph of the tests' own: one monitor, one manager and one small storage daemon, on free ports, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from real.rabbit import free_ports

PROGRAMS = ("ceph-mon", "ceph-mgr", "ceph-osd", "ceph-authtool", "monmaptool", "ceph", "rbd", "rados")
POOL, USER = "images", "images"
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
BOOT_S = 120.0
SETTINGS = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{ports[0]},v1:127.0.0.1:{ports[1]}]
public addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {home}/$name.keyring
run dir = {home}/run
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 1

[mon]
mon data = {home}/mon

[mgr]
mgr data = {home}/mgr
mgr initial modules =
mgr stats period = 1

[osd]
osd data = {home}/osd
osd objectstore = bluestore
bluestore block size = {bytes}
bluestore cache autotune = false
bluestore cache size = 33554432
bluestore fsck on mount = false

[client]
log file = {home}/log/client.log
"""


def reason_against() -> str | None:
    """Say why it cannot run here; None when it can."""
    missing = [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]
    return f"Ceph is not installed: {', '.join(missing)} (./run-tests --all)" if missing else None


class Ceph:
    """One cluster with a pool and a user. `pause` lets a daemon hang; `revive` gives it a new process."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="nova-lite-ceph-"))
        self.config = self.home / "ceph.conf"
        self.keyring = self.home / "images.keyring"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._fsid = str(uuid.uuid4())
        for folder in ("run", "log", "mon", "mgr", "osd"):
            (self.home / folder).mkdir()

    def url(self, name: str = "ceph") -> str:
        """Give the store's URL."""
        return f"{name}=rbd://{POOL}?user={USER}&conf={self.config}&keyring={self.keyring}"

    def start(self) -> None:
        """Make and boot everything, and wait until images can be written."""
        ports = free_ports(2)
        text = SETTINGS.format(fsid=self._fsid, ports=ports, home=self.home, bytes=1 << 30)
        self.config.write_text(text)
        self._make_monitor(f"[v2:127.0.0.1:{ports[0]},v1:127.0.0.1:{ports[1]}]")
        self._spawn("mon", "a")
        self._until_answered()
        self._grant("mgr.x", "mon", "allow profile mgr", "osd", "allow *", "mds", "allow *")
        self._spawn("mgr", "x")
        osd = str(uuid.uuid4())
        self.ceph("osd", "new", osd)
        self._grant("osd.0", "mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._spawn("osd", "0")
        self.ceph("osd", "pool", "create", POOL, "8")
        self.run_rbd("pool", "init", POOL)
        self._grant(f"client.{USER}", "mon", "profile rbd", "osd", f"profile rbd pool={POOL}", into=self.keyring)

    def _make_monitor(self, addresses: str) -> None:
        every = [argument for kind in ("mon", "osd", "mgr", "mds") for argument in ("--cap", kind, "allow *")]
        keys, admin, monitors = self.home / "mon.keyring", self.home / "client.admin.keyring", self.home / "monmap"
        self._run("ceph-authtool", "--create-keyring", keys, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self._run("ceph-authtool", "--create-keyring", admin, "--gen-key", "-n", "client.admin", *every)
        self._run("ceph-authtool", keys, "--import-keyring", admin)
        self._run("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", addresses, monitors)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keys)

    def _grant(self, who: str, *rights: str, into: Path | None = None) -> None:
        path = into or self.home / f"{who}.keyring"
        path.touch(mode=0o600)
        path.write_text(self.ceph("auth", "get-or-create", who, *rights))

    def _spawn(self, kind: str, name: str) -> None:
        with (self.home / "log" / f"{kind}.out").open("ab") as out:
            self._processes[kind] = subprocess.Popen(
                [f"ceph-{kind}", "-f", "-c", str(self.config), "-i", name, "--log-file", str(self.home / "log" / f"{kind}.log")],
                env={**os.environ, "PATH": PATH}, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def _run(self, program: str, *arguments: str | Path, timeout_s: float = 60.0) -> str:
        # Programs without clusters take the option, too, and so find no configuration of the machine's.
        options = ("-c", str(self.config)) if program != "ceph-authtool" else ()
        done = subprocess.run(
            [program, *options, *map(str, arguments)], env={**os.environ, "PATH": PATH}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (program, arguments, done.stderr[-2000:])
        return done.stdout

    def ceph(self, *arguments: str) -> str:
        """Run `ceph` as its administrator."""
        return self._run("ceph", "--connect-timeout", "30", *arguments)

    def run_rbd(self, *arguments: str) -> str:
        """Run `rbd` as the administrator."""
        return self._run("rbd", *arguments, timeout_s=BOOT_S)

    def objects(self) -> list[str]:
        """Name all objects of the pool but those that any pool of images has."""
        found = self._run("rados", "-p", POOL, "ls").split()
        return [name for name in found if name not in ("rbd_directory", "rbd_children", "rbd_info", "rbd_trash")]

    def pause(self, kind: str) -> None:
        """Let a daemon hang: connections stay open, nothing answers."""
        os.kill(self._processes[kind].pid, signal.SIGSTOP)

    def revive(self, kind: str) -> None:
        """Go on; the storage daemon as a new process, since one alone does not find its way back from a pause."""
        process = self._processes[kind]
        if kind == "osd":
            before = self._up_since()
            process.kill()
            process.wait(30)
            self._spawn("osd", "0")
            self._until(lambda: self._up_since() > before and self._clean())
            for number in range(16):  # what the manager says may be old: each part of the pool shows itself that it works
                self._run("rados", "-p", POOL, "put", f"probe{number}", self.config)
                self._run("rados", "-p", POOL, "rm", f"probe{number}")
        else:
            os.kill(process.pid, signal.SIGCONT)
            self._until_answered()

    def _up_since(self) -> int:
        """Give the version of the map in which the storage daemon came up."""
        return int(json.loads(self.ceph("osd", "dump", "-f", "json"))["osds"][0]["up_from"])

    def _clean(self) -> bool:
        states = json.loads(self.ceph("-s", "-f", "json"))["pgmap"].get("pgs_by_state", [])
        return [state["state_name"] for state in states] == ["active+clean"]

    def fill(self, quota: int) -> None:
        """Allow so many bytes, fewer than there are, and wait until Ceph knows that the pool is full."""
        self.ceph("osd", "pool", "set-quota", POOL, "max_bytes", str(quota))
        self._until(lambda: "POOL_FULL" in self.ceph("health", "detail"))

    def unfill(self) -> None:
        """Allow everything again."""
        self.ceph("osd", "pool", "set-quota", POOL, "max_bytes", "0")
        self._until(lambda: "POOL_FULL" not in self.ceph("health", "detail"))

    def _until_answered(self) -> None:
        self._until(lambda: bool(self.ceph("-s")))

    def _until(self, says: Callable[[], bool]) -> None:
        deadline = time.monotonic() + BOOT_S
        while not says():
            for kind, process in self._processes.items():
                assert process.poll() is None, (kind, (self.home / "log" / f"{kind}.out").read_text()[-2000:])
            assert time.monotonic() < deadline, "Ceph did not come in time"
            time.sleep(0.3)

    def remove(self) -> None:
        """End the processes and take the folder away."""
        for process in self._processes.values():
            process.kill()
            process.wait(30)
        shutil.rmtree(self.home, ignore_errors=True)
