"""A Swift of the tests' own: Debian's proxy, account, container and object servers on ports of 127.0.0.1, with one device.

The device is a folder, so its file system must have extended attributes. Of the machine's own files only /etc/swift/swift.conf is
read, since Swift reads no other; the package brings it. Nothing is written outside the folder of this Swift.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from real.rabbit import free_ports

BOOT_S = 60.0
END_S = 10.0
PARTS = ("account", "container", "object")
USER, KEY = "test:tester", "not-to-be-told"
# TempAuth keeps its tokens in memcached; with one proxy process a dictionary does.
CACHE = """
import time

class Memory:
    def __init__(self):
        self.values = {}

    def get(self, key, raise_on_error=False):
        value, until = self.values.get(key, (None, 0.0))
        return value if not until or until > time.time() else None

    def set(self, key, value, serialize=True, time=0, min_compress_len=0, raise_on_error=False):
        self.values[key] = value, _now() + time if time else 0.0

    def delete(self, key, server_key=None):
        self.values.pop(key, None)

def _now():
    return time.time()

class Cache:
    def __init__(self, app):
        self.app = app
        self.memory = Memory()

    def __call__(self, environ, start_response):
        environ["swift.cache"] = self.memory
        return self.app(environ, start_response)

def factory(global_conf, **local_conf):
    return Cache
"""
PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {home}
user = {user}
log_address = {home}/no-such-log
[pipeline:main]
pipeline = catch_errors cache listing_formats {login} container-quotas slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
paste.filter_factory = one_process_cache:factory
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:slo]
use = egg:swift#slo
{filters}
"""
TEMPAUTH = f"[filter:tempauth]\nuse = egg:swift#tempauth\nuser_test_tester = {KEY} .admin\n"
STORAGE = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {home}
devices = {home}/devices
mount_check = false
user = {user}
log_address = {home}/no-such-log
fallocate_reserve = 0
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""


def installed() -> bool:
    """Whether the packages are there."""
    return all(shutil.which(program, path=_path()) for program in ("swift-ring-builder", *_programs()))


def reason_against() -> str | None:
    """Say why this machine cannot run one, if it cannot."""
    if not installed():
        return "Swift is not installed (Debian packages swift-proxy, swift-account, swift-container, swift-object)"
    with tempfile.NamedTemporaryFile() as probe:
        try:
            os.setxattr(probe.name, "user.swift.metadata", b"x" * 1000)
        except OSError:
            return f"{tempfile.gettempdir()} has no extended attributes, in which Swift keeps what it knows of objects"
    return None


@dataclasses.dataclass(frozen=True)
class Login:
    """How the proxy knows its users: the filters in its pipeline, and their sections."""

    pipeline: str = "tempauth"
    filters: str = TEMPAUTH


class Swift:
    """One Swift. `start` and `stop` keep its data; `remove` takes everything away."""

    def __init__(self, login: Login | None = None) -> None:
        """Make the rings and the configuration; nothing runs yet."""
        self.home = Path(tempfile.mkdtemp(prefix="nova-lite-swift-"))
        self.login = login or Login()
        self.port, *ports = free_ports(1 + len(PARTS))
        self.ports = dict(zip(PARTS, ports, strict=True))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        (self.home / "devices/d1").mkdir(parents=True)
        self._configure()
        for name, port in self.ports.items():
            self._make_ring(name, port)

    @property
    def auth_url(self) -> str:
        """The address of TempAuth."""
        return f"http://127.0.0.1:{self.port}/auth/v1.0"

    def _configure(self) -> None:
        common = {"home": self.home, "user": _user()}
        (self.home / "one_process_cache.py").write_text(CACHE)
        proxy = PROXY.format(port=self.port, login=self.login.pipeline, filters=self.login.filters, **common)
        (self.home / "proxy-server.conf").write_text(proxy)
        for name, port in self.ports.items():
            (self.home / f"{name}-server.conf").write_text(STORAGE.format(name=name, port=port, **common))

    def _make_ring(self, name: str, port: int) -> None:
        builder = [str(_program("swift-ring-builder")), str(self.home / f"{name}.builder")]
        for words in (("create", "4", "1", "0"), ("add", f"r1z1-127.0.0.1:{port}/d1", "1"), ("rebalance",)):
            done = subprocess.run([*builder, *words], capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start all servers, or start them again, and wait until each takes connections."""
        for name, program in zip((*PARTS, "proxy"), _programs(), strict=True):
            with (self.home / f"{name}.log").open("ab") as output:
                self.processes[name] = subprocess.Popen(
                    [str(_program(program)), str(self.home / f"{name}-server.conf"), "--verbose"],
                    cwd=self.home,
                    env={"PATH": _path(), "HOME": str(self.home), "PYTHONPATH": str(self.home), "LANG": "C.UTF-8"},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        deadline = time.monotonic() + BOOT_S
        for name, port in {**self.ports, "proxy": self.port}.items():
            while not _accepts(port):
                assert self.processes[name].poll() is None, self.log(name)
                assert time.monotonic() < deadline, f"{name} did not start in time: {self.log(name)}"
                time.sleep(0.1)

    def stop(self) -> None:
        """End all of them."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(END_S)
        self.processes.clear()

    def remove(self) -> None:
        """End them and delete the data."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def log(self, name: str) -> str:
        """Give the end of what a server wrote."""
        return (self.home / f"{name}.log").read_text(errors="replace")[-2000:]


def _programs() -> tuple[str, ...]:
    return tuple(f"swift-{name}-server" for name in (*PARTS, "proxy"))


def _program(name: str) -> Path:
    return Path(str(shutil.which(name, path=_path())))


def _path() -> str:
    return "/usr/bin:/bin:/usr/sbin:/sbin"  # Debian's programs run on Debian's Python, not on that of an environment


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
