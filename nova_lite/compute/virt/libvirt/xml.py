"""A guest as libvirt's domain XML (https://libvirt.org/formatdomain.html). Pure: nothing is looked up here."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from nova_lite.compute.disks.root import Disk
from nova_lite.model.guest import GuestInterface, GuestSpec

NAMESPACE = "https://nova-lite.org/xmlns/guest/1"
PREFIX = "nova-lite"
DISK_BUSES = {"virtio": "vd", "ide": "hd", "sata": "sd"}
NIC_MODELS = {"virtio", "e1000", "e1000e", "rtl8139"}
MACHINES = {"pc", "q35"}
CDROM = {"pc": ("ide", "hdd"), "q35": ("sata", "sdf")}
RESCUE_CDROM = {"pc": ("ide", "hdc"), "q35": ("sata", "sde")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plug:
    """An interface with the tap that was made for it."""

    interface: GuestInterface
    tap: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Domain:
    """All that a domain's XML is made of."""

    spec: GuestSpec
    host: str
    kvm: bool
    disks: Sequence[Disk]
    plugs: Sequence[Plug]
    console_log: Path


def name_of(server_id: str) -> str:
    """Give a guest's name in libvirt."""
    return f"{PREFIX}-{server_id}"


def domain_xml(wanted: Domain) -> str:
    """Write the XML of a guest."""
    spec = wanted.spec
    machine = _one_of(spec.image_properties, "hw_machine_type", MACHINES, "pc")
    domain = ET.Element("domain", type="kvm" if wanted.kvm else "qemu")
    _add(domain, "name", name_of(spec.server_id))
    _add(domain, "uuid", spec.server_id)
    _add_metadata(domain, wanted)
    _add(domain, "memory", str(spec.ram_mib), unit="MiB")
    _add(domain, "vcpu", str(spec.vcpus), placement="static")
    system = _add(domain, "os")
    _add(system, "type", "hvm", arch="x86_64", machine=machine)
    if not any(disk.boots for disk in wanted.disks):
        _add(system, "boot", dev="hd")
    features = _add(domain, "features")
    _add(features, "acpi")
    _add(features, "apic")
    _add_cpu(domain, kvm=wanted.kvm)
    _add_clock(domain)
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        _add(domain, event, action)
    _add_devices(domain, wanted, machine)
    return ET.tostring(domain, encoding="unicode")


def host_of(metadata: str) -> str | None:
    """Read the host out of a domain's element; None when it is not one of ours."""
    try:
        return ET.fromstring(metadata).get("host")  # noqa: S314 - libvirt wrote it
    except ET.ParseError:
        return None


def _add_metadata(domain: ET.Element, wanted: Domain) -> None:
    _add(domain, "metadata").append(_mark(wanted.host, wanted.spec))


def _mark(host: str, spec: GuestSpec) -> ET.Element:
    ET.register_namespace(PREFIX, NAMESPACE)
    mark = ET.Element(f"{{{NAMESPACE}}}guest", host=host)
    _add(mark, f"{{{NAMESPACE}}}name", _printable(spec.name))
    _add(mark, f"{{{NAMESPACE}}}project", spec.project_id)
    return mark


def _printable(text: str) -> str:
    """Leave out what XML 1.0 cannot carry."""
    return "".join(character for character in text if character >= " " and not "\ud800" <= character <= "\udfff")


def _add_cpu(domain: ET.Element, *, kvm: bool) -> None:
    if kvm:
        _add(domain, "cpu", mode="host-passthrough", check="none")
    else:
        _add(domain, "cpu", mode="maximum", check="none")


def _add_clock(domain: ET.Element) -> None:
    clock = _add(domain, "clock", offset="utc")
    _add(clock, "timer", name="pit", tickpolicy="delay")
    _add(clock, "timer", name="rtc", tickpolicy="catchup")
    _add(clock, "timer", name="hpet", present="no")


def _add_devices(domain: ET.Element, wanted: Domain, machine: str) -> None:
    devices = _add(domain, "devices")
    bus = _one_of(wanted.spec.image_properties, "hw_disk_bus", set(DISK_BUSES), "virtio")
    bus = "sata" if bus == "ide" and machine == "q35" else bus
    letters = iter("abcdefgh")
    for disk in wanted.disks:
        if disk.is_cdrom:
            place = RESCUE_CDROM[machine] if disk.is_rescue else CDROM[machine]
        else:
            own = disk.bus if disk.bus in DISK_BUSES and not (disk.bus == "ide" and machine == "q35") else bus
            place = (own, f"{DISK_BUSES[own]}{next(letters)}")
        _add_disk(devices, disk, place)
    _add(devices, "controller", type="usb", model="none")
    model = _one_of(wanted.spec.image_properties, "hw_vif_model", NIC_MODELS, "virtio")
    for plug in wanted.plugs:
        _add_interface(devices, plug, model)
    _add_serial(devices, wanted.console_log)
    _add_agent_channel(devices)
    _add(devices, "input", type="tablet", bus="virtio")
    _add(_add(devices, "graphics", type="vnc", port="-1", autoport="yes"), "listen", type="address", address="127.0.0.1")
    _add(_add(devices, "video"), "model", type="vga", vram="16384", heads="1", primary="yes")
    _add(_add(devices, "memballoon", model="virtio"), "stats", period="10")
    _add(_add(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")


def _add_disk(devices: ET.Element, disk: Disk, place: tuple[str, str]) -> None:
    bus, name = place
    element = _add(devices, "disk", type="file", device="cdrom" if disk.is_cdrom else "disk")
    driver = _add(element, "driver", name="qemu", type=disk.format)
    if not disk.is_cdrom:
        driver.set("discard", "unmap")
    _add(element, "source", file=str(disk.path))
    if disk.base is not None and disk.base_format is not None:
        below = _add(element, "backingStore", type="file")
        _add(below, "format", type=disk.base_format)
        _add(below, "source", file=str(disk.base))
        _add(below, "backingStore")  # the chain ends here, whatever the image says
    _add(element, "target", dev=name, bus=bus)
    if disk.boots:
        _add(element, "boot", order="1")
    if disk.is_cdrom:
        _add(element, "readonly")


def _add_interface(devices: ET.Element, plug: Plug, model: str) -> None:
    element = _add(devices, "interface", type="ethernet")
    _add(element, "mac", address=plug.interface.mac_address)
    _add(element, "target", dev=plug.tap, managed="no")
    _add(element, "model", type=model)


def _add_serial(devices: ET.Element, log: Path) -> None:
    """Add the console. virtlogd writes its log and bounds it: 2 MiB and three older parts by default."""
    for kind, target in (("serial", {"port": "0"}), ("console", {"type": "serial", "port": "0"})):
        element = _add(devices, kind, type="pty")
        _add(element, "log", file=str(log), append="on")
        _add(element, "target", **target)


def _add_agent_channel(devices: ET.Element) -> None:
    channel = _add(devices, "channel", type="unix")
    _add(channel, "target", type="virtio", name="org.qemu.guest_agent.0")


def _one_of(properties: Mapping[str, str], name: str, known: set[str], default: str) -> str:
    value = properties.get(name, default)
    return value if value in known else default


def _add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element
