"""Network cards of guests on libvirt, plugged in and out while they run: the live domain and its definition, each for itself.

A card is known by its MAC address. A running guest has to let go of one itself: it is asked, and asked again, since one that
still boots does not hear it; that it has let go shows in the live domain's XML.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence

import libvirt

from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.compute.virt.libvirt import devices_xml, domains, xml
from nova_lite.compute.virt.libvirt.connection import Connection
from nova_lite.compute.virt.libvirt.making import Making
from nova_lite.compute.virt.libvirt.parts import LibvirtParts
from nova_lite.compute.wiring.port import WiringError
from nova_lite.model.guest import GuestInterface, GuestSpec, PowerState
from nova_lite.model.ids import ServerId

LOG = logging.getLogger(__name__)
PLUG_S = 60.0
LET_GO_S = 90.0  # less than the step's time
ASK_AGAIN_S = 8.0
LOOK_S = 0.25
LIVE, KEPT = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
# What it means to ask a guest that was asked already, or that lets go at this moment.
ASKED_ALREADY = (libvirt.VIR_ERR_DEVICE_MISSING, libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_INTERNAL_ERROR)


class LibvirtInterfaces:
    """Fulfils GuestInterfaces."""

    def __init__(
        self, parts: LibvirtParts, making: Making, connection: Connection, power: Callable[[ServerId], PowerState]
    ) -> None:
        """`power` is the driver's: it raises VirtError with code `no_guest`."""
        self._parts = parts
        self._making = making
        self._connection = connection
        self._power = power

    def ensure(self, server_id: ServerId, interfaces: tuple[GuestInterface, ...], stop: threading.Event) -> None:
        """Pull what is too much, then plug what is missing. The spec keeps what is to be, for the next start and daemon."""
        self._power(server_id)
        spec = self._parts.specs.find(server_id)
        if spec is None:
            raise VirtError("The host does not know what the guest is made of.", code="no_guest", host_at_fault=False)
        wanted = dataclasses.replace(spec, interfaces=interfaces)
        kept = {one.port_id for one in interfaces}
        self._pull(server_id, [one for one in spec.interfaces if one.port_id not in kept], stop)
        self._parts.specs.save(wanted)
        self._plug(wanted)

    def _pull(self, server_id: ServerId, interfaces: Sequence[GuestInterface], stop: threading.Event) -> None:
        if not interfaces:
            return
        macs = [one.mac_address for one in interfaces]
        self._wait_for_guest(server_id, macs, stop)
        self._run(server_id, lambda domain: _detach(domain, macs, KEPT))
        try:
            for interface in interfaces:
                self._parts.wiring.unplug_one(server_id, interface)
        except WiringError as error:
            raise VirtError(error.message, code="wiring") from error

    def _wait_for_guest(self, server_id: ServerId, macs: Sequence[str], stop: threading.Event) -> None:
        """Ask the guest until it has let go of these cards. Raises: VirtError, Stopped."""
        ask_at = time.monotonic()
        until = ask_at + LET_GO_S
        while self._run(server_id, lambda domain: _has(domain, macs)):
            if time.monotonic() >= until:
                raise VirtError("The guest does not let go of the interface.", code="held", host_at_fault=False)
            if time.monotonic() >= ask_at:
                ask_at = time.monotonic() + ASK_AGAIN_S
                self._run(server_id, lambda domain: _ask(domain, macs))
            if stop.wait(LOOK_S):
                raise Stopped

    def _plug(self, spec: GuestSpec) -> None:
        devices = {plug.interface.mac_address: card_xml(plug, spec) for plug in self._making.wire(spec)}
        self._run(spec.server_id, lambda domain: _attach(domain, devices))

    def _run(self, server_id: ServerId, act: Callable[[libvirt.virDomain], bool]) -> bool:
        """Do something with the domain; one that libvirt forgot has nothing, and is made anew of its spec."""
        host = self._parts.place.host

        def run(connection: libvirt.virConnect) -> bool:
            domain = domains.find(connection, host, server_id)
            return domain is not None and act(domain)

        return self._connection.run(run, timeout_s=PLUG_S)


def card_xml(plug: devices_xml.Plug, spec: GuestSpec) -> str:
    """Write the XML of one card, as it stands in a domain's."""
    devices = ET.Element("devices")
    devices_xml.add_interface(devices, plug, xml.hardware_of(spec))
    return ET.tostring(devices[0], encoding="unicode")


def cards(domain_xml: str) -> dict[str, str]:
    """Read a domain's cards out of its XML: the XML of each by its MAC address."""
    found = ET.fromstring(domain_xml).iterfind("devices/interface")  # noqa: S314 - libvirt wrote it
    return {_mac(card): ET.tostring(card, encoding="unicode") for card in found}


def _mac(card: ET.Element) -> str:
    mac = card.find("mac")
    return "" if mac is None else mac.get("address", "")


def _attach(domain: libvirt.virDomain, devices: dict[str, str]) -> bool:
    """Plug the cards that are missing, into the guest if it runs, and into its definition."""
    for flag in _sides(domain):
        present = _present(domain, flag)
        for mac, text in devices.items():
            if mac not in present:
                domain.attachDeviceFlags(text, flag)
    return True


def _detach(domain: libvirt.virDomain, macs: Sequence[str], flag: int) -> bool:
    present = _present(domain, flag)
    for mac in macs:
        if mac in present:
            domain.detachDeviceFlags(present[mac], flag)
    return True


def _ask(domain: libvirt.virDomain, macs: Sequence[str]) -> bool:
    """Ask a running guest to let go of its cards."""
    if domain.isActive():
        try:
            return _detach(domain, macs, LIVE)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in ASKED_ALREADY:
                raise
            LOG.info("A guest is about to let go of an interface: %s", error.get_error_message())
    return True


def _has(domain: libvirt.virDomain, macs: Sequence[str]) -> bool:
    """Whether a running guest has one of the cards."""
    return bool(domain.isActive()) and not set(macs).isdisjoint(_present(domain, LIVE))


def _present(domain: libvirt.virDomain, flag: int) -> dict[str, str]:
    return cards(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE if flag == KEPT else 0))


def _sides(domain: libvirt.virDomain) -> tuple[int, ...]:
    return (LIVE, KEPT) if domain.isActive() else (KEPT,)
