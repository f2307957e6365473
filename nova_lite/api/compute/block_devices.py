"""The block devices of a create request, in both syntaxes: the image as the root disk, and blank local disks.

Sizes and formats of blank disks take the place of the flavor's own and never go beyond them. This cloud has no block
storage, so whatever means a volume is refused with that reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nova_lite import errors
from nova_lite.api.route import Request
from nova_lite.model.flavor import Flavor
from nova_lite.model.guest import FILE_SYSTEMS, SWAP, BlankDisk

RULE = "os_compute_api:servers:create:attach_volume"
OLD, NEW = "block_device_mapping", "block_device_mapping_v2"
MOST_LOCAL = 3  # disks on the host a server may have, its root and the flavor's own among them
MIB_A_GIB = 1024
BUSES = ("fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml")
_BLANK_NAME = re.compile(r"swap|ephemeral\d+", re.ASCII)
_NO_STORAGE = "this cloud has no block storage, only images and blank disks on the host itself (destination_type local)"

Device = Mapping[str, Any]


def wrong(reason: str) -> errors.BadRequest:
    """Make the error of a mapping that cannot be."""
    return errors.BadRequest(f"The block device mapping is invalid: {reason}.")


def read(request: Request, asked: Mapping[str, Any]) -> tuple[Device, ...] | None:
    """Give the blank disks that are asked for, in the new syntax; None when no device is mapped at all.

    Raises: BadRequest, Forbidden.
    """
    old, new = asked.get(OLD) or [], asked.get(NEW) or []
    if old and new:
        raise errors.BadRequest("The two syntaxes of block device mappings cannot be mixed in a request.")
    if not old and not new:
        return None
    request.enforce(RULE)
    if old:
        return tuple(_modern(device) for device in old if _is_there(device))
    present = [device for device in new if _is_there(device)]
    for device in present:
        _check(device, image_id=asked.get("imageRef") or None)
    _check_boot_order(present)
    return tuple(device for device in present if device["source_type"] == "blank")


def _is_there(device: Device) -> bool:
    """Whether a device is asked for; `no_device` only takes away what the image would have named."""
    return not device.get("no_device")


def _modern(device: Device) -> Device:
    name = device.get("virtual_name") or ""
    if _BLANK_NAME.fullmatch(name):
        return {
            "source_type": "blank",
            "volume_size": device.get("volume_size"),
            "guest_format": SWAP if name == SWAP else None,
        }
    for kind in ("snapshot", "volume"):
        if device.get(f"{kind}_id"):
            raise wrong(f"{kind} {device[f'{kind}_id']} cannot be found, {_NO_STORAGE}")
    raise wrong("a device is neither a volume nor a snapshot, neither swap nor ephemeral")


def _check(device: Device, *, image_id: str | None) -> None:
    """Check one device of the new syntax. Raises: BadRequest."""
    source = device.get("source_type")
    if source is None:
        raise wrong("a device has no source_type")
    named = device.get("uuid") or device.get(f"{source}_id")
    if source == "blank" and device.get("uuid"):
        raise wrong("a blank device has no uuid")
    if source != "blank" and not named:
        raise wrong("a device has no uuid of its source")
    if source in ("volume", "snapshot"):
        raise wrong(f"{source} {named} cannot be found, {_NO_STORAGE}")
    if device.get("destination_type", "local") != "local":
        raise wrong(f"no volume can be made of a device with source_type {source}, {_NO_STORAGE}")
    if device.get("volume_type"):
        raise wrong("a local device has no volume_type")
    if source == "image" and (image_id is None or _boot_index(device) != 0):
        raise wrong("an image can be a local disk only as the server's root, with imageRef and boot_index 0")
    if source == "image" and named != image_id:
        raise wrong("the image of the root disk and imageRef are not the same")
    _check_kind(device)


def _check_kind(device: Device) -> None:
    bus, kind, file_system = device.get("disk_bus"), device.get("device_type"), device.get("guest_format")
    if bus and bus not in BUSES:
        raise wrong(f"{bus} is no bus of disks")
    if kind and kind != "disk":
        raise wrong(f"a local device is a disk, no {kind}")
    if device["source_type"] == "blank" and file_system and file_system != SWAP and file_system not in FILE_SYSTEMS:
        raise wrong(f"a blank disk is made as swap or with a file system of {', '.join(FILE_SYSTEMS)}, not {file_system}")


def _boot_index(device: Device) -> int:
    index = device.get("boot_index")
    return -1 if index is None else int(index)


def _check_boot_order(devices: Sequence[Device]) -> None:
    """Check that the devices to boot from are numbered from 0 without a gap. Raises: BadRequest."""
    indexes = sorted(index for index in map(_boot_index, devices) if index >= 0)
    if not indexes or indexes != list(range(len(indexes))):
        raise wrong("boot indexes begin at 0, with the image, and leave none out")


def blank_disks(devices: Sequence[Device] | None, flavor: Flavor) -> tuple[BlankDisk, ...]:
    """Give a server's blank disks: what is asked for, and the flavor's own of a kind that is not. Raises: BadRequest."""
    swaps = [device for device in devices or () if device.get("guest_format") == SWAP]
    others = [device for device in devices or () if device.get("guest_format") != SWAP]
    sizes = [int(device.get("volume_size") or flavor.ephemeral_gib) for device in others]
    if sum(sizes) > flavor.ephemeral_gib:
        raise errors.BadRequest(
            f"Ephemeral disks of {sum(sizes)} GiB are asked for, the flavor has {flavor.ephemeral_gib} GiB."
        )
    if len(swaps) > 1:
        raise wrong("a server has one swap disk at most")
    swap_mib = int(swaps[0].get("volume_size") or flavor.swap_mib) if swaps else flavor.swap_mib
    if swap_mib > flavor.swap_mib:
        raise errors.BadRequest(f"Swap of {swap_mib} MiB is asked for, the flavor has {flavor.swap_mib} MiB.")
    made = [
        BlankDisk(size_mib=size * MIB_A_GIB, format=device.get("guest_format") or None)
        for size, device in zip(sizes, others, strict=True)
        if size
    ]
    if not others and flavor.ephemeral_gib:
        made.append(BlankDisk(size_mib=flavor.ephemeral_gib * MIB_A_GIB))
    if swap_mib:
        made.append(BlankDisk(size_mib=swap_mib, format=SWAP))
    if len(made) + 1 > MOST_LOCAL:
        raise wrong(f"a server has {MOST_LOCAL} local disks at most, its root and the flavor's own among them")
    return tuple(made)
