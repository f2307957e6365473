"""DHCP and name service for guests: one dnsmasq for each network, that outlives the daemon and is adopted by the next one.

Leases are fixed: a file for each port in a folder that dnsmasq watches.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import pwd
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from nova_lite.compute.wiring import leases
from nova_lite.compute.wiring.leases import Lease
from nova_lite.compute.wiring.process import Kept
from nova_lite.model.guest import GuestInterface

LOG = logging.getLogger(__name__)
DNSMASQ = "dnsmasq"
UNPRIVILEGED = ("dnsmasq", "nobody")
NOT_A_NAME = re.compile(r"[^A-Za-z0-9-]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seat:
    """Where a dnsmasq stands: the link that it serves, how it is started there, and how a lease of an interface is ended."""

    link: str
    start: Callable[[Sequence[str]], object]
    give_back: Callable[[Lease, GuestInterface], None]


class Dhcp:
    """The dnsmasq of one network. `folder` is ours alone and is kept over restarts."""

    def __init__(self, seat: Seat, folder: Path) -> None:
        """Nothing is started here."""
        self._seat = seat
        self._hosts = folder / "hosts"
        self._lease_file = folder / "leases"
        self._pid_file = folder / "dnsmasq.pid"
        self._arguments_file = folder / "arguments"
        self._command = (DNSMASQ, "--conf-file=/dev/null", f"--pid-file={self._pid_file}")
        self._process = Kept(self._pid_file, self._command)

    def ensure(self, offer: Sequence[str]) -> None:
        """Have dnsmasq running with what `offers` gives. May be repeated. Raises: WiringError."""
        self._hosts.mkdir(parents=True, exist_ok=True)
        self._hosts.chmod(0o755)
        arguments = self._arguments(offer)
        wanted = "\n".join(arguments)
        known = self._arguments_file.read_text(encoding="utf-8") if self._arguments_file.exists() else ""
        if self.pid() is not None and known == wanted:
            return
        self.stop()
        self._seat.start(arguments)
        self._arguments_file.write_text(wanted, encoding="utf-8")

    def add(self, interface: GuestInterface, hostname: str) -> None:
        """Give the interface's address to its guest from now on. May be repeated."""
        name = NOT_A_NAME.sub("-", hostname.partition(".")[0])[:63].strip("-")
        line = ",".join(filter(None, (interface.mac_address, interface.ip_address, name, "1h")))
        self._free(interface, others=True)
        path = self._host_file(interface)
        hidden = path.with_name(f".{path.name}")
        hidden.write_text(line + "\n", encoding="ascii")
        hidden.chmod(0o644)
        hidden.rename(path)  # dnsmasq reads what is moved into the folder, whole

    def remove(self, interface: GuestInterface) -> None:
        """Give the address no more; nothing to forget is success."""
        path = self._host_file(interface)
        if not path.exists():
            return
        path.unlink()
        if self.pid() is not None:
            self._process.tell(signal.SIGHUP)  # only this makes it forget
            self._free(interface, others=False)

    def _free(self, interface: GuestInterface, *, others: bool) -> None:
        """End the lease of the interface's address: its own, or one that another guest left behind."""
        for lease in leases.read(self._lease_file):
            if lease.ip_address == interface.ip_address and (lease.mac_address != interface.mac_address) == others:
                self._seat.give_back(lease, interface)

    def stop(self) -> None:
        """End dnsmasq, if it runs."""
        self._process.end()

    def pid(self) -> int | None:
        """Give the process, if it lives."""
        return self._process.pid()

    def _host_file(self, interface: GuestInterface) -> Path:
        return self._hosts / interface.port_id

    def _user(self) -> str:
        """Name the user that dnsmasq becomes once it has its sockets; it must still reach the folder."""
        known = {entry.pw_name for entry in pwd.getpwall()}
        free = next((name for name in UNPRIVILEGED if name in known), None)
        closed = next((path for path in (self._hosts, *self._hosts.parents) if not path.stat().st_mode & 0o001), None)
        if free is not None and closed is None:
            return free
        LOG.warning("dnsmasq keeps its rights: %s is closed to others.", closed or "no user is there for it;")
        return pwd.getpwuid(os.geteuid()).pw_name

    def _arguments(self, offer: Sequence[str]) -> Sequence[str]:
        return [
            *self._command,
            f"--dhcp-leasefile={self._lease_file}",
            f"--dhcp-hostsdir={self._hosts}",
            f"--interface={self._seat.link}",
            "--except-interface=lo",
            "--bind-dynamic",
            "--dhcp-authoritative",
            "--no-ping",
            "--quiet-dhcp",
            "--no-hosts",
            "--domain-needed",
            f"--user={self._user()}",
            *offer,
        ]
