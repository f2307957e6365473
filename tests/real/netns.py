"""Network namespaces for tests: a host of its own, guests behind taps, and a machine outside. All end with the test."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import selectors
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
LIBC = ctypes.CDLL(None, use_errno=True)
UDHCPC_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address replace "$ip/$mask" dev "$interface"
[ -z "$mtu" ] || ip link set dev "$interface" mtu "$mtu"
env > "$0.env"
set -- $staticroutes
while [ "$#" -ge 2 ]; do
  if [ "$2" = 0.0.0.0 ]; then ip route replace "$1" dev "$interface"; else ip route replace "$1" via "$2"; fi
  shift 2
done
"""


def available() -> str | None:
    """Say why namespaces cannot be had here; None when they can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in ("ip", "nft", "dnsmasq", "busybox", "unshare", "nsenter") if not _found(name)]
    if missing:
        return f"needs {', '.join(missing)}"
    done = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False, timeout=10)
    return None if done.returncode == 0 else "the kernel gives no network namespaces"


def _found(name: str) -> bool:
    return any((Path(folder) / name).exists() for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"))


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """Put the calling thread, and what it starts from now on, into a namespace of its own."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if LIBC.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        sh("ip link set lo up")
        yield
    finally:
        if LIBC.setns(before, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(before)


def sh(command: str, *, check: bool = True) -> str:
    """Run a command in the thread's namespace."""
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
    return done.stdout


class Machine:
    """A namespace with a process that holds it."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
        own = os.readlink("/proc/thread-self/ns/net")
        while os.readlink(f"/proc/{self._holder.pid}/ns/net") == own:
            assert self._holder.poll() is None
        self.pid = self._holder.pid
        self.sh("ip link set lo up")

    def run(self, *arguments: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        return subprocess.run(self.inside(*arguments), capture_output=True, text=True, check=False, timeout=timeout)

    def inside(self, *arguments: str) -> list[str]:
        """Give the command that runs another one there."""
        return ["nsenter", "-t", str(self.pid), "-n", *arguments]

    def sh(self, command: str) -> str:
        """Run a command there that must not fail."""
        done = self.run(*command.split())
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def close(self) -> None:
        """End the process and with it the namespace."""
        self._holder.kill()
        self._holder.wait()


def open_tap(name: str) -> int:
    """Hold the other end of a tap of the thread's namespace, as a hypervisor does."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


class Guest(Machine):
    """A machine whose only card is behind a tap of the host: what it sends goes through the host's rules."""

    def __init__(self, tap: str, mac: str, folder: Path) -> None:
        super().__init__()
        self._script = folder / f"udhcpc-{tap}"
        self._script.write_text(UDHCPC_SCRIPT)
        self._script.chmod(0o755)
        ends = [open_tap(tap), self._open_own(mac)]
        self._stop_r, self._stop_w = os.pipe()
        self._pump = threading.Thread(target=self._carry, args=(ends,), daemon=True)
        self._pump.start()

    def _open_own(self, mac: str) -> int:
        made: list[int] = []

        def inside() -> None:
            with open(f"/proc/{self.pid}/ns/net") as namespace:
                assert LIBC.setns(namespace.fileno(), CLONE_NEWNET) == 0
                made.append(open_tap("eth0"))

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        self.sh("sysctl -q -w net.ipv6.conf.all.disable_ipv6=1")
        self.sh(f"ip link set eth0 address {mac} up")
        return made[0]

    def _carry(self, ends: list[int]) -> None:
        with selectors.DefaultSelector() as selector:
            for here, there in (ends, ends[::-1]):
                selector.register(here, selectors.EVENT_READ, there)
            selector.register(self._stop_r, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        for end in ends:
                            os.close(end)
                        return
                    with contextlib.suppress(OSError):
                        os.write(key.data, os.read(key.fd, 65536))

    def dhcp(self, seconds: int = 3) -> dict[str, str]:
        """Ask for an address; give what was told, nothing when nobody answered."""
        told = self._script.with_name(f"{self._script.name}.env")
        told.unlink(missing_ok=True)
        self.run(
            "busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", str(self._script),
            "-t", str(seconds), "-T", "1", "-O", "staticroutes", "-O", "mtu",
        )  # fmt: skip
        if not told.exists():
            return {}
        return dict(line.split("=", 1) for line in told.read_text().splitlines() if "=" in line)

    def configure(self, address: str, gateway: str) -> None:
        """Set an address by hand, as a guest that does not ask."""
        self.sh("ip address flush dev eth0")
        self.sh(f"ip address add {address} dev eth0")
        self.sh(f"ip route replace default via {gateway}")

    def pings(self, address: str) -> bool:
        """Whether an answer comes within a second or two."""
        return self.run("busybox", "ping", "-c", "1", "-W", "2", address).returncode == 0

    def fetch(self, url: str) -> str | None:
        """Get a document by HTTP; None when there is none."""
        done = self.run("busybox", "timeout", "8", "busybox", "wget", "-q", "-O", "-", url)
        return done.stdout if done.returncode == 0 else None

    def close(self) -> None:
        """Stop carrying frames, end."""
        os.write(self._stop_w, b"x")
        self._pump.join(5)
        for end in (self._stop_r, self._stop_w):
            os.close(end)
        super().close()
