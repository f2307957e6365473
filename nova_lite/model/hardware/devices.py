"""Devices as flavor and image ask for them: words that the API knows; whether a host has them, its scheduler's rule says."""

from __future__ import annotations

import re

from nova_lite import errors
from nova_lite.model.hardware.guest import BIOS, UEFI, Rng
from nova_lite.model.hardware.words import Wish, Wishes

DISK_BUSES = ("fdc", "ide", "sata", "scsi", "usb", "virtio", "lxc", "uml", "xen")
SCSI_MODELS = ("auto", "buslogic", "ibmvscsi", "lsilogic", "lsisas1068", "lsisas1078", "virtio-scsi", "vmpvscsi")
NIC_MODELS = (
    *("virtio", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet", "vmxnet3", "igb", "lan9118", "netfront"),
    *("spapr-vlan", "sriov", "VirtualE1000", "VirtualE1000e", "VirtualPCNet32", "VirtualVmxnet", "VirtualVmxnet3"),
)
VIDEO_MODELS = ("bochs", "cirrus", "gop", "none", "qxl", "vga", "virtio", "vmvga", "xen")
INPUT_BUSES = ("usb", "virtio")
WATCHDOG_ACTIONS = ("none", "pause", "poweroff", "reset", "disabled")
QUEUES_MAX = 8  # of one interface; more than a host has processors help nobody
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

# What would be promised in vain: a flavor or an image that asks for it is refused. `None`: any value asks for it.
_YES = ("1", "t", "true", "on", "y", "yes")
NOT_OFFERED: tuple[tuple[str, tuple[str, ...] | None, str], ...] = (
    ("mem_encryption", _YES, "Encrypted memory is not offered by this cloud"),
    ("mem_encryption_model", None, "Encrypted memory is not offered by this cloud"),
    ("tpm_version", None, "A TPM is not offered by this cloud"),
    ("tpm_model", None, "A TPM is not offered by this cloud"),
    ("pmem", None, "Persistent memory is not offered by this cloud"),
    ("cpu_realtime", _YES, "Realtime processors are not offered by this cloud"),
    ("emulator_threads_policy", ("isolate",), "Processors of the emulator's own are not offered by this cloud"),
    ("locked_memory", _YES, "Locked memory is not offered by this cloud"),
    ("viommu_model", None, "A virtual IOMMU is not offered by this cloud"),
    ("ephemeral_encryption", _YES, "Encryption of local disks is not offered by this cloud"),
)
NOT_OFFERED_FLAVOR: tuple[tuple[str, tuple[str, ...] | None, str], ...] = (
    ("os:secure_boot", ("required",), "Secure boot is not offered by this cloud"),
    ("pci_passthrough:alias", None, "Passing PCI devices through is not offered by this cloud"),
    ("accel:device_profile", None, "Accelerators are not offered by this cloud"),
)


def refuse_not_offered(wishes: Wishes) -> None:
    """Say clearly what nobody gets here. Raises: BadRequest."""
    asked: list[tuple[Wish | None, tuple[str, ...] | None, str]] = [
        (wish, values, why) for name, values, why in NOT_OFFERED for wish in wishes.both(name)
    ]
    asked += [(wishes.flavor(key), values, why) for key, values, why in NOT_OFFERED_FLAVOR]
    asked.append((wishes.image("os_secure_boot"), ("required",), "Secure boot is not offered by this cloud"))
    for wish, values, why in asked:
        if wish is not None and (values is None or wish.text.lower() in values):
            raise errors.BadRequest(f"{why}. {wish.source} asks for it.")


def machine(wishes: Wishes) -> str | None:
    """Read the type of the machine; any name of one. Raises: BadRequest."""
    wish = wishes.agreed("machine_type")
    if wish is not None and not _NAME.fullmatch(wish.text):
        raise wish.refusal("the name of a machine type is wanted")
    return wish.text if wish else None


def firmware(wishes: Wishes) -> str | None:
    """Read the kind of firmware. Raises: BadRequest."""
    wish = wishes.image("hw_firmware_type")
    return wish.one_of(BIOS, UEFI) if wish else None


def image_word(wishes: Wishes, key: str, known: tuple[str, ...]) -> str | None:
    """Read a property that takes one of some words. Raises: BadRequest."""
    wish = wishes.image(key)
    return wish.one_of(*known) if wish else None


def scsi_model(wishes: Wishes) -> str | None:
    """Read the controller of SCSI disks. Raises: BadRequest."""
    model = image_word(wishes, "hw_scsi_model", SCSI_MODELS)
    return None if model == "auto" else model


def input_bus(wishes: Wishes) -> str | None:
    """Read where the pointer is. Raises: BadRequest."""
    wish = wishes.agreed("input_bus")
    return wish.one_of(*INPUT_BUSES) if wish else None


def boot_menu(wishes: Wishes) -> bool:
    """Read whether the firmware shows its menu; the image's word counts more. Raises: BadRequest."""
    flavor, image = wishes.both("boot_menu")
    wish = image or flavor
    return wish.flag() if wish else False


def hides_hypervisor(wishes: Wishes) -> bool:
    """Read whether the guest is not to know that it is one: anybody's wish counts. Raises: BadRequest."""
    wished = (
        wishes.flavor("hide_hypervisor_id"),
        wishes.flavor("hw:hide_hypervisor_id"),
        wishes.image("img_hide_hypervisor_id"),
    )
    return any([wish.flag() for wish in wished if wish])


def nic_queues(wishes: Wishes, vcpus: int) -> int:
    """Read how many queues each interface has: one, or one for each vCPU. Raises: BadRequest."""
    flavor, image = wishes.both("vif_multiqueue_enabled")
    said = {wish.flag() for wish in (flavor, image) if wish}
    if len(said) > 1:
        raise errors.BadRequest("Flavor and image contradict each other: one enables vif_multiqueue_enabled, one disables it.")
    return max(1, min(vcpus, QUEUES_MAX)) if True in said else 1


def video_ram_mib(wishes: Wishes) -> int | None:
    """Read the memory of the screen, which a flavor has to allow. Raises: BadRequest."""
    allowed, asked = wishes.flavor("hw_video:ram_max_mb"), wishes.image("hw_video_ram")
    most = allowed.number() if allowed else 0
    wanted = asked.number() if asked else 0
    if wanted > most:
        raise errors.BadRequest(
            f"The image's property hw_video_ram is {wanted} MiB, the flavor allows {most} MiB (hw_video:ram_max_mb)."
        )
    return wanted or None


def rng(wishes: Wishes) -> Rng | None:
    """Read what the guest may draw of random numbers; None where the flavor forbids it. Raises: BadRequest."""
    allowed = wishes.flavor("hw_rng:allowed")
    rate, period = wishes.flavor("hw_rng:rate_bytes"), wishes.flavor("hw_rng:rate_period")
    amount = rate.number() if rate else 0
    period_ms = period.number() if period else 0
    if allowed is not None and not allowed.flag():
        return None
    return Rng(bytes=amount, period_ms=period_ms or None) if amount else Rng()


def watchdog(wishes: Wishes) -> str | None:
    """Read what happens when the guest hangs; the image's word counts more. Raises: BadRequest."""
    flavor, image = wishes.both("watchdog_action")
    for wish in (flavor, image):
        if wish:
            wish.one_of(*WATCHDOG_ACTIONS)
    action = (image or flavor).text if image or flavor else "disabled"  # type: ignore[union-attr]
    return None if action == "disabled" else action


def guest_agent(wishes: Wishes) -> bool:
    """Read whether the guest has a channel for its agent: it does unless the image declines. Raises: BadRequest."""
    wish = wishes.image("hw_qemu_guest_agent")
    return wish.flag() if wish else True


def quiesce(wishes: Wishes) -> bool:
    """Read whether snapshots have to hold the guest's writes back. Raises: BadRequest."""
    wish = wishes.image("os_require_quiesce")
    return wish.flag() if wish else False


def os_type(wishes: Wishes) -> str | None:
    """Read the kind of operating system, in small letters."""
    wish = wishes.image("os_type")
    return wish.text.lower()[:64] if wish else None
