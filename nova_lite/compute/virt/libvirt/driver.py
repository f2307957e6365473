"""Guests on libvirt and QEMU. Disks, taps and metadata are made first, then the domain; nothing needs to be undone in order.

A domain of ours has the server's id as its UUID and names its host in its metadata: others' domains are never touched.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection

import libvirt

from nova_lite.compute.virt.driver import PasswordListener, PowerListener, Stopped, VirtError
from nova_lite.compute.virt.libvirt import console, consoles, domains, facts, usage
from nova_lite.compute.virt.libvirt.connection import Connection
from nova_lite.compute.virt.libvirt.interfaces import LibvirtInterfaces
from nova_lite.compute.virt.libvirt.live import LibvirtLive
from nova_lite.compute.virt.libvirt.making import DESTROY_S, START_S, Making, disk_errors
from nova_lite.compute.virt.libvirt.moves import LibvirtMoves
from nova_lite.compute.virt.libvirt.parts import LibvirtParts
from nova_lite.compute.virt.libvirt.renewal import LibvirtRenewal
from nova_lite.compute.virt.libvirt.snapshots import LibvirtSnapshots
from nova_lite.compute.virt.libvirt.states import LibvirtStates
from nova_lite.model.diagnostics import Diagnostics
from nova_lite.model.guest import GuestSpec, GuestState, PowerState
from nova_lite.model.host import HostFacts
from nova_lite.model.ids import ServerId
from nova_lite.model.image import ImageSource

LOG = logging.getLogger(__name__)
LOOK_S = 0.5
ASK_AGAIN_S = 10.0  # a guest that still boots does not hear the power button
UP = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED)


class LibvirtDriver:
    """Fulfils VirtDriver."""

    def __init__(self, parts: LibvirtParts) -> None:
        """Nothing is asked of libvirt yet."""
        self._parts = parts
        self._host = parts.place.host
        self._connection = Connection(parts.uri, self._on_event)
        self._making = Making(parts, self._connection)
        self._mine = self._making.mine
        self.snapshots = LibvirtSnapshots(self._connection, self._host, parts.disks)
        self.consoles = consoles.LibvirtConsoles(self._connection, parts.uri, self._host, self._must_exist)
        self._listener: PowerListener | None = None
        self.states = LibvirtStates(self._must_exist, self._act, self._making.rewire)
        self.interfaces = LibvirtInterfaces(parts, self._making, self._connection, self._must_exist)
        self.renewal = LibvirtRenewal(parts, self._making, self._connection, self.ensure_guest)
        self.live = LibvirtLive(parts, self._making, self._connection)
        self.moves = LibvirtMoves(parts, self._making, self)

    def facts(self) -> HostFacts:
        """Give what the machine is and has. Raises: VirtError."""
        used = self._parts.disks.used_bytes()
        return self._connection.run(lambda connection: facts.read(connection, self._parts.place, used))

    def adopt(self) -> None:
        """Plug the running guests' taps and serve their metadata as before. Raises: VirtError.

        A snapshot that was being sent is let go: the command is repeated, and takes it anew.
        """
        running = {guest.server_id for guest in self.list_guests() if guest.power_state in UP}
        for server_id in running:
            self.snapshots.release(server_id)
        for spec in self._parts.specs.list_all():
            if spec.server_id in running:
                try:
                    self._making.wire(spec)
                except VirtError as error:
                    LOG.warning("A guest's network is not as it was: %s", error.message, extra={"server_id": spec.server_id})
        self._parts.wiring.begin()

    def list_guests(self) -> tuple[GuestState, ...]:
        """List this host's guests. Raises: VirtError."""
        found = self._connection.run(lambda connection: _powers(connection, self._host, self._mine))
        self._mine |= set(found)
        return tuple(
            GuestState(server_id=ServerId(server_id), power_state=power)
            for server_id, power in found.items()
            if power is not PowerState.NOSTATE
        )

    def ensure_guest(self, spec: GuestSpec, stop: threading.Event) -> PowerState:
        """Have the guest running. Raises: VirtError, Stopped."""
        power = self._power(spec.server_id)
        if power in UP:
            return power
        self._making.start(spec, stop)
        return PowerState.RUNNING

    def cache_image(self, source: ImageSource, stop: threading.Event) -> None:
        """Have an image here for guests to come. Raises: VirtError, Stopped."""
        with disk_errors():
            self._parts.disks.fetch(source, stop)

    def remove_guest(self, server_id: ServerId) -> None:
        """Leave nothing of the guest. Raises: VirtError."""
        self._making.forget(server_id)
        self._parts.disks.remove(server_id)
        self._parts.specs.remove(server_id)
        self.moves.drop(server_id)
        self._mine.discard(server_id)

    def power_on(self, server_id: ServerId) -> PowerState:
        """Start the guest, with its taps as they should be; one that libvirt forgot is made anew over its disks.

        One that was turned off while it was rescued runs from its own disks. Raises: VirtError.
        """
        power, spec = self._power(server_id), self._parts.specs.find(server_id)
        if spec is not None and spec.rescue is not None and power not in UP:
            return self.renewal.unrescue(server_id, threading.Event(), on=True)
        if power is None and spec is not None:
            return self.ensure_guest(spec, threading.Event())
        if power is None:
            raise _no_guest()
        if power is PowerState.RUNNING:
            return power
        if spec is not None:
            self._making.wire(spec)
        self._act(server_id, domains.start, START_S)
        return PowerState.RUNNING

    def power_off(self, server_id: ServerId, graceful_s: float, stop: threading.Event) -> PowerState:
        """Have the guest off: asked first, then without asking. Raises: VirtError, Stopped."""
        power = self._must_exist(server_id)
        if power is PowerState.SHUTDOWN:
            return power
        if power is PowerState.RUNNING and graceful_s > 0:
            self._shut_down(server_id, graceful_s, stop)
        self._act(server_id, domains.destroy, DESTROY_S)
        return PowerState.SHUTDOWN

    def reboot(self, server_id: ServerId, *, hard: bool, graceful_s: float, stop: threading.Event) -> PowerState:
        """Turn the guest off, the soft way first unless `hard`, and on: QEMU starts anew. Raises: VirtError, Stopped."""
        if self._power(server_id) is not None:
            self.power_off(server_id, 0.0 if hard else graceful_s, stop)
        return self.power_on(server_id)

    def console_output(self, server_id: ServerId, lines: int | None) -> bytes:
        """Read the console's log. Raises: VirtError with code `no_guest`."""
        log = self._parts.disks.console_log(server_id)
        if not log.parent.is_dir():
            raise _no_guest()
        return console.newest(log, lines)

    def diagnostics(self, server_id: ServerId) -> Diagnostics | None:
        """Read libvirt's counters; None while the guest does not run. Raises: VirtError with code `no_guest`."""

        def look(connection: libvirt.virConnect) -> Diagnostics | None:
            domain = domains.find(connection, self._host, server_id)
            if domain is None or domains.power_of(domain) is not PowerState.RUNNING:
                return None
            return usage.read(connection, domain, kvm=self._parts.place.kvm)

        if self._must_exist(server_id) is not PowerState.RUNNING:
            return None
        return self._connection.run(look)

    def listen(self, listener: PowerListener) -> None:
        """Tell `listener` of power changes."""
        self._listener = listener

    def listen_to_passwords(self, listener: PasswordListener) -> None:
        """Tell `listener` what guests write to the metadata service."""
        self._parts.wiring.listen_to_passwords(listener)

    def close(self) -> None:
        """Close the connection; guests keep running."""
        self._connection.close()

    def _power(self, server_id: ServerId) -> PowerState | None:
        def look(connection: libvirt.virConnect) -> PowerState | None:
            domain = domains.find(connection, self._host, server_id)
            return None if domain is None else domains.power_of(domain)

        return self._connection.run(look)

    def _must_exist(self, server_id: ServerId) -> PowerState:
        """Give a guest's power; one that libvirt forgot, but whose spec is here, is off."""
        power = self._power(server_id)
        if power is not None:
            return power
        if self._parts.specs.find(server_id) is None:
            raise _no_guest()
        return PowerState.SHUTDOWN

    def _act(self, server_id: ServerId, act: domains.DomainAct, timeout_s: float) -> None:
        def run(connection: libvirt.virConnect) -> bool:
            domain = domains.find(connection, self._host, server_id)
            if domain is not None:
                act(domain)
            return domain is not None

        if not self._connection.run(run, timeout_s=timeout_s):
            raise _no_guest()

    def _shut_down(self, server_id: ServerId, graceful_s: float, stop: threading.Event) -> None:
        """Ask the guest until it is off or the time is over."""
        now = time.monotonic()
        until, ask_at = now + graceful_s, now
        while time.monotonic() < until:
            if time.monotonic() >= ask_at:
                ask_at = time.monotonic() + ASK_AGAIN_S
                self._act(server_id, domains.ask_to_shut_down, DESTROY_S)
            if stop.wait(LOOK_S):
                raise Stopped
            if self._power(server_id) not in UP:
                return
        LOG.info("A guest did not shut itself down in time.", extra={"server_id": server_id})

    def _on_event(self, domain: libvirt.virDomain, event: int) -> None:
        """Pass an event on. Runs in libvirt's own thread: it must not ask libvirt anything."""
        power = domains.EVENTS.get(event)
        server_id = domain.UUIDString()
        if power is not None and server_id in self._mine and self._listener is not None:
            self._listener(ServerId(server_id), power)


def _powers(connection: libvirt.virConnect, host: str, mine: Collection[str]) -> dict[str, PowerState]:
    """Give the power of each domain that is ours."""
    return {
        server_id: domains.power_of(domain)
        for server_id, domain in domains.list_all(connection)
        if server_id in mine or domains.host_of(domain) == host
    }


def _no_guest() -> VirtError:
    return VirtError("The host has no such guest.", code="no_guest", host_at_fault=False)
