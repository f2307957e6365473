"""From a flavor and an image to the hardware of a guest: the one place where extra specs and properties get their meaning."""

from __future__ import annotations

from collections.abc import Mapping

from nova_lite import errors
from nova_lite.model.flavor import Flavor
from nova_lite.model.hardware import devices, processor, tuning
from nova_lite.model.hardware.guest import PLAIN, GuestHardware
from nova_lite.model.hardware.words import Wishes
from nova_lite.model.resources import Resources


def read(flavor: Flavor, properties: Mapping[str, str]) -> GuestHardware:
    """Understand what flavor and image ask for together.

    Raises: BadRequest when they contradict each other, a value means nothing, or it is offered nowhere.
    """
    return read_sized(flavor.extra_specs, properties, vcpus=flavor.vcpus, ram_mib=flavor.ram_mib)


def read_sized(specs: Mapping[str, str], properties: Mapping[str, str], *, vcpus: int, ram_mib: int) -> GuestHardware:
    """Do what `read` does where only the size of a flavor is at hand. Raises: BadRequest."""
    if not specs and not properties:
        return PLAIN
    wishes = Wishes(specs, properties)
    devices.refuse_not_offered(wishes)
    dedicated = processor.dedicated(wishes, vcpus)
    cells = processor.cells(wishes, vcpus, ram_mib)
    return GuestHardware(
        machine=devices.machine(wishes),
        firmware=devices.firmware(wishes),
        boot_menu=devices.boot_menu(wishes),
        hides_hypervisor=devices.hides_hypervisor(wishes),
        os_type=devices.os_type(wishes),
        topology=processor.topology(wishes, vcpus),
        dedicated=dedicated,
        thread_policy=processor.thread_policy(wishes, pinned=bool(dedicated)),
        cells=cells,
        page_kib=processor.page_kib(wishes, ram_mib, cells),
        disk_bus=devices.image_word(wishes, "hw_disk_bus", devices.DISK_BUSES),
        cdrom_bus=devices.image_word(wishes, "hw_cdrom_bus", devices.DISK_BUSES),
        scsi_model=devices.scsi_model(wishes),
        nic_model=devices.image_word(wishes, "hw_vif_model", devices.NIC_MODELS),
        nic_queues=devices.nic_queues(wishes, vcpus),
        video_model=devices.image_word(wishes, "hw_video_model", devices.VIDEO_MODELS),
        video_ram_mib=devices.video_ram_mib(wishes),
        input_bus=devices.input_bus(wishes),
        rng_model=devices.image_word(wishes, "hw_rng_model", ("virtio",)),
        rng=devices.rng(wishes),
        watchdog=devices.watchdog(wishes),
        guest_agent=devices.guest_agent(wishes),
        quiesce=devices.quiesce(wishes),
        cpu_tune=tuning.cpu_tune(wishes),
        disk_tune=tuning.disk_tune(wishes),
        nic_in=tuning.bandwidth(wishes, "inbound"),
        nic_out=tuning.bandwidth(wishes, "outbound"),
    )


def understood(flavor: Flavor, properties: Mapping[str, str]) -> GuestHardware:
    """Give the hardware of a server that was accepted already: what cannot be understood any more asks for nothing.

    Flavor and image were read when it was accepted, maybe by an earlier release that knew none of this.
    """
    try:
        return read(flavor, properties)
    except errors.BadRequest:
        return PLAIN


def needs(flavor: Flavor, properties: Mapping[str, str]) -> Resources:
    """Say what an accepted server of this flavor and image uses of a host."""
    return understood(flavor, properties).needs(flavor.resources(), flavor.ram_mib)


def before(properties: Mapping[str, str]) -> GuestHardware:
    """Give the hardware of a guest that was ordered by a release which sent none: only this it knew."""

    def one_of(name: str, *known: str) -> str | None:
        return properties[name] if properties.get(name) in known else None

    return GuestHardware(
        machine=one_of("hw_machine_type", "pc", "q35"),
        disk_bus=one_of("hw_disk_bus", "virtio", "ide", "sata"),
        nic_model=one_of("hw_vif_model", "virtio", "e1000", "e1000e", "rtl8139"),
    )
