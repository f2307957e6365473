"""The libvirt driver with its real parts."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from pathlib import Path

from nova_lite.compute.address import own_address
from nova_lite.compute.disks.cache import ImageCache
from nova_lite.compute.disks.root import GuestDisks
from nova_lite.compute.pins import PinBook
from nova_lite.compute.specs import GuestSpecs
from nova_lite.compute.virt.fetching import Fetcher
from nova_lite.compute.virt.libvirt import probe, seats
from nova_lite.compute.virt.libvirt.driver import LibvirtDriver
from nova_lite.compute.virt.libvirt.facts import Place
from nova_lite.compute.virt.libvirt.parts import LibvirtParts
from nova_lite.compute.wiring import limits
from nova_lite.compute.wiring.host import HostWiring
from nova_lite.compute.wiring.port import Wiring
from nova_lite.conf.compute import ComputeOptions
from nova_lite.model.ids import HostName
from nova_lite.model.image import ImageSource
from nova_lite.rpc.join import JoinFile

LOG = logging.getLogger(__name__)
PASSABLE = stat.S_IXOTH


def build(options: ComputeOptions, folder: Path, joined: JoinFile, fetcher: Fetcher) -> LibvirtDriver:
    """Make the driver of a host. `folder` is the host's own; libvirt is not asked yet, KVM is tried."""
    place = Place(
        host=HostName(joined.host),
        zone=joined.zone,
        host_ip=own_address(joined.broker_url),
        folder=folder,
        kvm=probe.kvm_works(),
        reserved_ram_mib=options.reserved_ram_mib,
        reserved_disk_gib=options.reserved_disk_gib,
        nic_limits=limits.are_possible(),
        dedicated=seats.isolated(),
    )
    LOG.info("Guests run by KVM." if place.kvm else "KVM does not run guests here; QEMU emulates them, which is slower.")
    return assemble(options.libvirt_uri, place, HostWiring(folder / "wiring", place.host_ip), fetcher)


def assemble(uri: str, place: Place, wiring: Wiring, fetcher: Fetcher | None = None) -> LibvirtDriver:
    """Put a driver together on a folder."""
    _let_pass(place.folder)
    specs = GuestSpecs(place.folder / "guests")
    cache = ImageCache(place.folder / "images", lambda: {image.sha512 for image in used_images(specs)})
    disks = GuestDisks(place.folder / "disks", cache)
    return LibvirtDriver(
        LibvirtParts(
            uri=uri,
            place=place,
            disks=disks,
            specs=specs,
            wiring=wiring,
            pins=PinBook(place.folder / "pins.json"),
            fetch=(fetcher or Fetcher()).fetch,
        )
    )


def used_images(specs: GuestSpecs) -> Iterator[ImageSource]:
    """Give the images that disks stand on, and those that guests boot with: a guest in the making copies them."""
    for spec in (*specs.list_all(), *specs.list_held()):
        if spec.image is not None:
            yield spec.image
        if spec.rescue is not None:
            yield spec.rescue.image
        for direct in (spec.direct, spec.rescue and spec.rescue.direct):
            if direct is not None:
                yield from direct.images


def _let_pass(folder: Path) -> None:
    """Let the hypervisor's user pass through to the disks, without seeing what is in the folders on the way."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in (folder, folder.parent):
        place.chmod(stat.S_IMODE(place.stat().st_mode) | PASSABLE)
    closed = [str(place) for place in folder.parents if not place.stat().st_mode & PASSABLE]
    if closed:
        LOG.warning("The hypervisor's user cannot pass through %s: guests may not start.", ", ".join(closed))
