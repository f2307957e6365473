"""A guest's devices as domain XML: those that its flavor and image chose, else the usual ones."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence

from nova_lite.compute.disks.root import Disk
from nova_lite.compute.virt.libvirt.element import add, add_numbers
from nova_lite.model.guest import GuestInterface
from nova_lite.model.hardware.guest import Bandwidth, GuestHardware

DISK_BUSES = {"virtio": "vd", "ide": "hd", "sata": "sd", "scsi": "sd", "usb": "sd"}
CDROM_LETTERS = {"ide": "d", "sata": "f"}  # the last place of the controller
OTHER_CDROM_LETTER = "g"  # not beyond: a narrow SCSI controller has places for seven
NIC_MODELS = ("virtio", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet", "vmxnet3")
SCSI_MODELS = ("virtio-scsi", "lsilogic", "lsisas1068", "lsisas1078", "vmpvscsi")
WITH_VIDEO_RAM = ("vga", "qxl", "vmvga", "cirrus", "bochs")
USUAL_VIDEO_KIB = 16384


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plug:
    """An interface with the tap that was made for it."""

    interface: GuestInterface
    tap: str


def add_disks(devices: ET.Element, disks: Sequence[Disk], hardware: GuestHardware) -> None:
    """Add the disks in their order, the CD-ROM behind them, and the controllers that they need."""
    used = {_buses(hardware)[0]}
    for disk, place in places(disks, hardware):
        used.add(place[0])
        _add_disk(devices, disk, place, hardware)
    if "scsi" in used:
        add(devices, "controller", type="scsi", index="0", model=hardware.scsi_model or "virtio-scsi")
    usb = "usb" in used or hardware.input_bus == "usb"
    add(devices, "controller", type="usb", index="0", model="qemu-xhci" if usb else "none")


def places(disks: Sequence[Disk], hardware: GuestHardware) -> Iterator[tuple[Disk, tuple[str, str]]]:
    """Give each disk with its bus and its name."""
    bus, cdrom = _buses(hardware)
    last = CDROM_LETTERS.get(cdrom, OTHER_CDROM_LETTER)
    rescue = chr(ord(last) - 1)  # where a CD-ROM that rescues is
    taken = {f"{DISK_BUSES[cdrom]}{last}"} | {f"{DISK_BUSES[cdrom]}{rescue}" for disk in disks if disk.is_rescue}
    letters = iter("abcdefghij")
    for disk in disks:
        if disk.is_cdrom:
            place = (cdrom, f"{DISK_BUSES[cdrom]}{rescue if disk.is_rescue else last}")
        else:
            own = disk.bus if disk.bus in DISK_BUSES and not (hardware.is_q35 and disk.bus == "ide") else bus
            place = (own, next(name for letter in letters if (name := f"{DISK_BUSES[own]}{letter}") not in taken))
        yield disk, place


def _buses(hardware: GuestHardware) -> tuple[str, str]:
    """Give the buses of disks and of the CD-ROM; the newer machine has no IDE, SATA is what follows it."""
    bus, cdrom = hardware.disk_bus or "virtio", hardware.cdrom_bus or "ide"
    if hardware.is_q35:
        return ("sata" if bus == "ide" else bus), ("sata" if cdrom == "ide" else cdrom)
    return bus, cdrom


def _add_disk(devices: ET.Element, disk: Disk, place: tuple[str, str], hardware: GuestHardware) -> None:
    bus, name = place
    element = add(devices, "disk", type="file", device="cdrom" if disk.is_cdrom else "disk")
    driver = add(element, "driver", name="qemu", type=disk.format)
    if not disk.is_cdrom:
        driver.set("discard", "unmap")
    add(element, "source", file=str(disk.path))
    if disk.base is not None and disk.base_format is not None:
        below = add(element, "backingStore", type="file")
        add(below, "format", type=disk.base_format)
        add(below, "source", file=str(disk.base))
        add(below, "backingStore")  # the chain ends here, whatever the image says
    add(element, "target", dev=name, bus=bus)
    if disk.boots:
        add(element, "boot", order="1")
    if disk.is_cdrom:
        add(element, "readonly")
    else:
        add_numbers(element, "iotune", vars(hardware.disk_tune))


def add_interface(devices: ET.Element, plug: Plug, hardware: GuestHardware) -> None:
    """Add a network card on its tap."""
    model = hardware.nic_model or "virtio"
    element = add(devices, "interface", type="ethernet")
    add(element, "mac", address=plug.interface.mac_address)
    add(element, "target", dev=plug.tap, managed="no")
    add(element, "model", type=model)
    if model == "virtio" and hardware.nic_queues > 1:
        add(element, "driver", queues=str(hardware.nic_queues))
    if hardware.nic_in is not None or hardware.nic_out is not None:
        bandwidth = add(element, "bandwidth")
        for way, bound in (("inbound", hardware.nic_in), ("outbound", hardware.nic_out)):
            if bound is not None:
                add(bandwidth, way, **_numbers(bound))


def _numbers(bound: Bandwidth) -> dict[str, str]:
    return {name: str(number) for name, number in vars(bound).items() if number is not None}


def add_screen(devices: ET.Element, hardware: GuestHardware) -> None:
    """Add the graphics card and the pointer that goes with it."""
    add(devices, "input", type="tablet", bus=hardware.input_bus or "virtio")
    model = add(add(devices, "video"), "model", type=hardware.video_model or "vga")
    if hardware.video_model == "none":
        return
    if model.get("type") in WITH_VIDEO_RAM:
        kib = USUAL_VIDEO_KIB if hardware.video_ram_mib is None else hardware.video_ram_mib * 1024
        model.set("vram", str(kib))
    model.set("heads", "1")
    model.set("primary", "yes")


def add_agent_channel(devices: ET.Element, hardware: GuestHardware) -> None:
    """Add the way to the guest's agent, unless its image declines."""
    if hardware.guest_agent:
        channel = add(devices, "channel", type="unix")
        add(channel, "target", type="virtio", name="org.qemu.guest_agent.0")


def add_rng(devices: ET.Element, hardware: GuestHardware) -> None:
    """Add the source of random numbers, unless the flavor forbids it."""
    if hardware.rng is None:
        return
    element = add(devices, "rng", model=hardware.rng_model or "virtio")
    if hardware.rng.bytes is not None:
        rate = add(element, "rate", bytes=str(hardware.rng.bytes))
        if hardware.rng.period_ms is not None:
            rate.set("period", str(hardware.rng.period_ms))
    add(element, "backend", "/dev/urandom", model="random")


def add_watchdog(devices: ET.Element, hardware: GuestHardware) -> None:
    """Add the watchdog that was asked for."""
    if hardware.watchdog is not None:
        add(devices, "watchdog", model="i6300esb", action=hardware.watchdog)
