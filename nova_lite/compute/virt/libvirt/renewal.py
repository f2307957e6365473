"""Guests on libvirt, made anew where they are: the domain is destroyed, and defined as it should be."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import libvirt

from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.compute.virt.libvirt import domains
from nova_lite.compute.virt.libvirt.connection import Connection
from nova_lite.compute.virt.libvirt.making import Making, disk_errors
from nova_lite.compute.virt.libvirt.parts import LibvirtParts
from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import ServerId
from nova_lite.model.image import ImageSource

REMOVE_S = 60.0
Begin = Callable[[GuestSpec, threading.Event], PowerState]


class LibvirtRenewal:
    """Fulfils GuestRenewal."""

    def __init__(self, parts: LibvirtParts, making: Making, connection: Connection, begin: Begin) -> None:
        """`begin` is the driver's `ensure_guest`."""
        self._parts = parts
        self._making = making
        self._connection = connection
        self._begin = begin

    def fetch(self, image: ImageSource, stop: threading.Event) -> None:
        """Have the image in the cache."""
        with disk_errors():
            self._parts.disks.fetch(image, stop)

    def rebuild(self, spec: GuestSpec, stop: threading.Event, *, on: bool, keep_blanks: bool) -> PowerState:
        """Destroy the guest, drop its disks, make it again."""
        if stop.is_set():
            raise Stopped
        self._forget(spec.server_id)
        self._parts.disks.drop(spec.server_id, keep_blanks=keep_blanks)
        return self._renew(spec, stop, on=on)

    def rescue(self, spec: GuestSpec, stop: threading.Event) -> PowerState:
        """Have the rescue image before the guest is destroyed."""
        if spec.rescue is not None:
            for image in (spec.rescue.image, *(spec.booted.images if spec.booted else ())):
                self.fetch(image, stop)
        self._turn_off(spec.server_id)
        self._parts.disks.drop_rescue(spec.server_id)
        return self._renew(spec, stop, on=True)

    def unrescue(self, server_id: ServerId, stop: threading.Event, *, on: bool) -> PowerState:
        """Define the guest without the rescue disk, and remove that."""
        spec = self._parts.specs.find(server_id)
        if spec is None:
            raise VirtError("The host has no such guest.", code="no_guest", host_at_fault=False)
        if spec.rescue is None:
            return self._power(server_id)
        self._turn_off(server_id)
        power = self._renew(dataclasses.replace(spec, rescue=None), stop, on=on)
        self._parts.disks.drop_rescue(server_id)
        return power

    def _renew(self, spec: GuestSpec, stop: threading.Event, *, on: bool) -> PowerState:
        if on:
            return self._begin(spec, stop)
        self._making.define(spec, stop)
        return PowerState.SHUTDOWN

    def _forget(self, server_id: ServerId) -> None:
        host = self._parts.place.host
        self._connection.run(lambda connection: domains.remove(connection, host, server_id), timeout_s=REMOVE_S)

    def _turn_off(self, server_id: ServerId) -> None:
        """Have the guest off and defined as it was: what its firmware keeps stays, another definition takes its place."""
        host = self._parts.place.host

        def off(connection: libvirt.virConnect) -> None:
            domain = domains.find(connection, host, server_id)
            if domain is not None:
                domains.destroy(domain)

        self._connection.run(off, timeout_s=REMOVE_S)

    def _power(self, server_id: ServerId) -> PowerState:
        host = self._parts.place.host

        def look(connection: libvirt.virConnect) -> PowerState:
            domain = domains.find(connection, host, server_id)
            return PowerState.SHUTDOWN if domain is None else domains.power_of(domain)

        return self._connection.run(look)
