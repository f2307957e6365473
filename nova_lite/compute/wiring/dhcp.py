"""DHCP and name service for guests: one dnsmasq for each bridge, that outlives the daemon and is adopted by the next one.

Leases are fixed: a file for each port in a folder that dnsmasq watches.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import pwd
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from nova_lite.compute.wiring import leases
from nova_lite.compute.wiring.bridge import METADATA_IP
from nova_lite.compute.wiring.commands import run
from nova_lite.model.guest import GuestInterface

LOG = logging.getLogger(__name__)
DNSMASQ = "dnsmasq"
UNPRIVILEGED = ("dnsmasq", "nobody")
END_S = 5.0
NOT_A_NAME = re.compile(r"[^A-Za-z0-9-]")


class Dhcp:
    """The dnsmasq of one bridge. `folder` is ours alone and is kept over restarts."""

    def __init__(self, bridge: str, folder: Path) -> None:
        """Nothing is started here."""
        self._bridge = bridge
        self._folder = folder
        self._hosts = folder / "hosts"
        self._lease_file = folder / "leases"
        self._pid_file = folder / "dnsmasq.pid"
        self._arguments_file = folder / "arguments"

    def ensure(self, interface: GuestInterface) -> None:
        """Have dnsmasq running for the interface's network. May be repeated. Raises: WiringError."""
        self._hosts.mkdir(parents=True, exist_ok=True)
        self._hosts.chmod(0o755)
        arguments = self._arguments(interface)
        wanted = "\n".join(arguments)
        known = self._arguments_file.read_text(encoding="utf-8") if self._arguments_file.exists() else ""
        if self.pid() is not None and known == wanted:
            return
        self.stop()
        run(arguments)
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
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)  # only this makes it forget
            self._free(interface, others=False)

    def _free(self, interface: GuestInterface, *, others: bool) -> None:
        """End the lease of the interface's address: its own, or one that another guest left behind."""
        if interface.gateway_ip is None:
            return
        for lease in leases.read(self._lease_file):
            if lease.ip_address == interface.ip_address and (lease.mac_address != interface.mac_address) == others:
                leases.give_back(lease, self._bridge, interface.gateway_ip)

    def stop(self) -> None:
        """End dnsmasq, if it runs."""
        pid = self.pid()
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + END_S
        while self.pid() is not None and time.monotonic() < deadline:
            time.sleep(0.02)

    def pid(self) -> int | None:
        """Give the process, if it is ours and lives: a number alone may have become another's."""
        try:
            pid = int(self._pid_file.read_text(encoding="ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if str(self._pid_file).encode() in command else None

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

    def _arguments(self, interface: GuestInterface) -> Sequence[str]:
        network = ipaddress.ip_network(f"{interface.ip_address}/{interface.prefix_length}", strict=False)
        gateway = interface.gateway_ip
        options = [f"option:mtu,{interface.mtu}"]
        if gateway is not None:
            routes = f"{METADATA_IP}/32,{gateway},0.0.0.0/0,{gateway}"
            options += [f"option:router,{gateway}", f"option:classless-static-route,{routes}"]
        if interface.dns_nameservers:
            options.append(f"option:dns-server,{','.join(interface.dns_nameservers)}")
        return [
            DNSMASQ,
            "--conf-file=/dev/null",
            f"--pid-file={self._pid_file}",
            f"--dhcp-leasefile={self._lease_file}",
            f"--dhcp-hostsdir={self._hosts}",
            f"--interface={self._bridge}",
            "--except-interface=lo",
            "--bind-dynamic",
            f"--dhcp-range={network.network_address},static,{network.netmask},1h",
            f"--dhcp-lease-max={network.num_addresses}",
            "--dhcp-authoritative",
            "--no-ping",
            "--quiet-dhcp",
            "--no-hosts",
            "--domain-needed",
            f"--user={self._user()}",
            *(f"--dhcp-option={option}" for option in options),
        ]
