"""A guest as libvirt's domain XML (https://libvirt.org/formatdomain.html). Pure: nothing is looked up here."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from nova_lite.compute.disks.root import BootFiles, Disk
from nova_lite.compute.virt.libvirt import devices_xml, processor_xml
from nova_lite.compute.virt.libvirt.devices_xml import Plug
from nova_lite.compute.virt.libvirt.element import add
from nova_lite.compute.virt.libvirt.processor_xml import Seat
from nova_lite.model.guest import GuestSpec
from nova_lite.model.hardware import reading
from nova_lite.model.hardware.guest import UEFI, WINDOWS, GuestHardware

NAMESPACE = "https://nova-lite.org/xmlns/guest/1"
PREFIX = "nova-lite"
CONSOLES = "console=tty0 console=ttyS0"  # the screen, and the log that users can read


@dataclasses.dataclass(frozen=True, kw_only=True)
class Domain:
    """All that a domain's XML is made of."""

    spec: GuestSpec
    host: str
    kvm: bool
    disks: Sequence[Disk]
    plugs: Sequence[Plug]
    console_log: Path
    nvram: Path  # of a guest with UEFI: its variables, which go where its disks go
    boot: BootFiles | None = None  # None: the disk's loader
    seat: Seat = dataclasses.field(default_factory=Seat)

    @property
    def hardware(self) -> GuestHardware:
        """Give what it is built of."""
        return hardware_of(self.spec)


def hardware_of(spec: GuestSpec) -> GuestHardware:
    """Give what a guest is built of, also when an earlier release ordered it."""
    return spec.hardware if spec.hardware is not None else reading.before(spec.image_properties)


def name_of(server_id: str) -> str:
    """Give a guest's name in libvirt."""
    return f"{PREFIX}-{server_id}"


def domain_xml(wanted: Domain) -> str:
    """Write the XML of a guest."""
    spec, hardware = wanted.spec, wanted.hardware
    domain = ET.Element("domain", type="kvm" if wanted.kvm else "qemu")
    add(domain, "name", name_of(spec.server_id))
    add(domain, "uuid", spec.server_id)
    _add_metadata(domain, wanted)
    processor_xml.add_memory(domain, spec.ram_mib, hardware)
    processor_xml.add_vcpus(domain, spec.vcpus, hardware, wanted.seat)
    processor_xml.add_numa_tune(domain, wanted.seat)
    _add_system(domain, wanted)
    _add_features(domain, hardware, kvm=wanted.kvm)
    processor_xml.add_cpu(domain, hardware, kvm=wanted.kvm)
    _add_clock(domain, hardware, kvm=wanted.kvm)
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        add(domain, event, action)
    _add_devices(domain, wanted)
    return ET.tostring(domain, encoding="unicode")


def host_of(metadata: str) -> str | None:
    """Read the host out of a domain's element; None when it is not one of ours."""
    try:
        return ET.fromstring(metadata).get("host")  # noqa: S314 - libvirt wrote it
    except ET.ParseError:
        return None


def _add_metadata(domain: ET.Element, wanted: Domain) -> None:
    add(domain, "metadata").append(_mark(wanted.host, wanted.spec))


def _mark(host: str, spec: GuestSpec) -> ET.Element:
    ET.register_namespace(PREFIX, NAMESPACE)
    mark = ET.Element(f"{{{NAMESPACE}}}guest", host=host)
    add(mark, f"{{{NAMESPACE}}}name", _printable(spec.name))
    add(mark, f"{{{NAMESPACE}}}project", spec.project_id)
    return mark


def _printable(text: str) -> str:
    """Leave out what XML 1.0 cannot carry."""
    return "".join(character for character in text if character >= " " and not "\ud800" <= character <= "\udfff")


def _add_system(domain: ET.Element, wanted: Domain) -> None:
    """Add machine and firmware. libvirt finds the UEFI firmware, and makes its variables where we keep them."""
    hardware = wanted.hardware
    system = add(domain, "os")
    add(system, "type", "hvm", arch="x86_64", machine=hardware.machine or "pc")
    if hardware.firmware == UEFI:
        system.set("firmware", "efi")
        add(add(system, "firmware"), "feature", enabled="no", name="secure-boot")
        add(system, "nvram", str(wanted.nvram))
    if wanted.boot is not None:
        _add_direct_boot(system, wanted, wanted.boot)
    if not any(disk.boots for disk in wanted.disks):
        add(system, "boot", dev="hd")
    if hardware.boot_menu:
        add(system, "bootmenu", enable="yes")


def _add_direct_boot(system: ET.Element, wanted: Domain, boot: BootFiles) -> None:
    add(system, "kernel", str(boot.kernel))
    if boot.ramdisk is not None:
        add(system, "initrd", str(boot.ramdisk))
    named = [(disk.boots, name) for disk, (_bus, name) in devices_xml.places(wanted.disks, wanted.hardware)]
    root = next((name for boots, name in named if boots), named[0][1])
    add(system, "cmdline", _printable(boot.command_line or f"root=/dev/{root} {CONSOLES}"))


def _add_features(domain: ET.Element, hardware: GuestHardware, *, kvm: bool) -> None:
    features = add(domain, "features")
    add(features, "acpi")
    add(features, "apic")
    if hardware.os_type == WINDOWS and kvm:
        hyperv = add(features, "hyperv")
        add(hyperv, "relaxed", state="on")
        add(hyperv, "vapic", state="on")
        add(hyperv, "spinlocks", state="on", retries="8191")
    if hardware.hides_hypervisor:
        add(add(features, "kvm"), "hidden", state="on")


def _add_clock(domain: ET.Element, hardware: GuestHardware, *, kvm: bool) -> None:
    """Add the clock; Windows takes it for local time."""
    clock = add(domain, "clock", offset="localtime" if hardware.os_type == WINDOWS else "utc")
    add(clock, "timer", name="pit", tickpolicy="delay")
    add(clock, "timer", name="rtc", tickpolicy="catchup")
    add(clock, "timer", name="hpet", present="no")
    if hardware.os_type == WINDOWS and kvm:
        add(clock, "timer", name="hypervclock", present="yes")


def _add_devices(domain: ET.Element, wanted: Domain) -> None:
    devices, hardware = add(domain, "devices"), wanted.hardware
    devices_xml.add_disks(devices, wanted.disks, hardware)
    for plug in wanted.plugs:
        devices_xml.add_interface(devices, plug, hardware)
    _add_serial(devices, wanted.console_log)
    devices_xml.add_agent_channel(devices, hardware)
    # It listens nowhere: libvirt hands connections over (consoles.py), and nobody else on the host can have one.
    add(add(devices, "graphics", type="vnc"), "listen", type="none")
    devices_xml.add_screen(devices, hardware)
    add(add(devices, "memballoon", model="virtio"), "stats", period="10")
    devices_xml.add_rng(devices, hardware)
    devices_xml.add_watchdog(devices, hardware)


def _add_serial(devices: ET.Element, log: Path) -> None:
    """Add the console. virtlogd writes its log and bounds it: 2 MiB and three older parts by default."""
    for kind, target in (("serial", {"port": "0"}), ("console", {"type": "serial", "port": "0"})):
        element = add(devices, kind, type="pty")
        add(element, "log", file=str(log), append="on")
        add(element, "target", **target)
