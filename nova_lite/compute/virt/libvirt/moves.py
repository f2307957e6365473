"""Moves of libvirt guests that are off: without a domain, with their disks in a folder of another name, they are set aside."""

from __future__ import annotations

import threading
from typing import Protocol

from nova_lite.compute.disks.moving import MovingDisks
from nova_lite.compute.disks.root import ROOT
from nova_lite.compute.moving.door import Offer
from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.libvirt.making import Making, disk_errors
from nova_lite.compute.virt.libvirt.parts import LibvirtParts
from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import ServerId
from nova_lite.rpc.commands import MoveSource


class Power(Protocol):
    """Who turns guests on and off: the driver."""

    def power_on(self, server_id: ServerId) -> PowerState:
        """Turn a guest on. Raises: VirtError."""

    def power_off(self, server_id: ServerId, graceful_s: float, stop: threading.Event) -> PowerState:
        """Turn a guest off. Raises: VirtError, Stopped."""

    def ensure_guest(self, spec: GuestSpec, stop: threading.Event) -> PowerState:
        """Have a guest running. Raises: VirtError, Stopped."""


class LibvirtMoves:
    """Fulfils `Moves`."""

    def __init__(self, parts: LibvirtParts, making: Making, power: Power) -> None:
        """`making` makes domains and takes them away."""
        self._parts = parts
        self._making = making
        self._power = power
        self._disks = MovingDisks(parts.disks)

    def hold(self, server_id: ServerId, token_sha256: str | None, graceful_s: float, stop: threading.Event) -> None:
        """Turn the guest off and set all of it aside, its disks last: they say that it is done. Raises: VirtError, Stopped."""
        if not self._disks.is_held(server_id):
            self._power.power_off(server_id, graceful_s, stop)
            self._making.forget(server_id)
            self._parts.specs.hold(server_id)
            try:
                self._disks.hold(server_id)
            except FileNotFoundError as error:
                raise VirtError("The host has no disks of the server.", code="no_guest", host_at_fault=False) from error
        self._disks.offer(server_id, token_sha256)

    def offer_of(self, server_id: ServerId) -> Offer | None:
        """Give what may be fetched of a server."""
        return self._disks.offer_of(server_id)

    def bring(self, spec: GuestSpec, source: MoveSource | None, stop: threading.Event) -> None:
        """Have the disks here. Raises: VirtError, Stopped."""
        fetch = None if source is None else lambda folder: self._parts.fetch(source, spec.server_id, folder, stop)
        with disk_errors():
            self._disks.bring(spec, fetch, stop)

    def finish(self, spec: GuestSpec, *, running: bool, stop: threading.Event) -> PowerState:
        """Have a guest over the disks that were brought. Raises: VirtError, Stopped."""
        if not (self._parts.disks.folder_of(spec.server_id) / ROOT).exists():
            raise VirtError("The host has no disk of the server.", code="no_guest")  # none must be made of the image instead
        return self._power.ensure_guest(spec, stop) if running else self._off(spec, stop)

    def restore(self, server_id: ServerId, *, running: bool) -> PowerState:
        """Have the guest again that was set aside. Raises: VirtError."""
        if self._disks.is_held(server_id):
            self._making.forget(server_id)
            self._parts.disks.remove(server_id)
            self._disks.restore(server_id)
        self._parts.specs.restore(server_id)
        if running:
            return self._power.power_on(server_id)
        spec = self._parts.specs.find(server_id)
        if spec is None:
            raise VirtError("The host has no such guest.", code="no_guest", host_at_fault=False)
        return self._off(spec, threading.Event())

    def _off(self, spec: GuestSpec, stop: threading.Event) -> PowerState:
        """Have a guest that is off, over the disks that are here."""
        self._making.define(spec, stop)
        return self._power.power_off(spec.server_id, 0.0, stop)

    def drop(self, server_id: ServerId) -> None:
        """Forget what is set aside. Raises: OSError."""
        self._disks.drop(server_id)
        self._parts.specs.drop_held(server_id)
