"""Which of this host's processors and NUMA nodes a guest gets."""

from __future__ import annotations

from pathlib import Path

from nova_lite.compute.pins import NoPlaceError, PinBook
from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.libvirt import facts, xml
from nova_lite.compute.virt.libvirt.connection import Connection
from nova_lite.compute.virt.libvirt.processor_xml import Seat
from nova_lite.model.guest import GuestSpec

ISOLATED = Path("/sys/devices/system/cpu/isolated")


def find(connection: Connection, place: facts.Place, pins: PinBook, spec: GuestSpec) -> Seat:
    """Give the guest its processors; the same again at each call. Raises: VirtError when they do not lie as it needs them."""
    wanted = xml.hardware_of(spec)
    if not place.dedicated and not wanted.cells and not wanted.dedicated:
        return Seat()
    nodes = connection.run(facts.nodes)
    everything = {cpu for node in nodes for cpu in node.cpus}
    kept = everything.intersection(place.dedicated)
    try:
        placing = pins.place(spec.server_id, wanted, nodes, kept)
    except NoPlaceError as error:
        raise VirtError(str(error), code="no_place") from error
    return Seat(placing=placing, shared=tuple(sorted(everything - kept)) if kept else (), nodes=nodes)


def isolated() -> tuple[int, ...]:
    """Give the processors that the kernel keeps its hands off (`isolcpus=`): those alone can be somebody's own.

    No option says which they are: one that the kernel knows nothing of would only seem to be.
    """
    try:
        return numbers(ISOLATED.read_text(encoding="ascii"))
    except OSError:
        return ()


def numbers(text: str) -> tuple[int, ...]:
    """Read a set of processors as the kernel writes it: `2-7,10`; what is none is nothing."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))
