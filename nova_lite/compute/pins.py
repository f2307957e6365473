"""Which of the host's processors each guest has for itself. Kept in a file: the choice outlives the daemon and the domain."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import orjson

from nova_lite.model import wire
from nova_lite.model.hardware.guest import GuestHardware, NumaCell
from nova_lite.model.hardware.host import HostNode
from nova_lite.model.ids import ServerId
from nova_lite.rpc.files import write_secret


class NoPlaceError(Exception):
    """The host's processors do not lie as the guest needs them; another host's may."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pin:
    """A vCPU of the guest and the processor of the host that nobody else uses."""

    vcpu: int
    pcpu: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placing:
    """Where a guest runs. `nodes` are the host's NUMA nodes of the guest's cells, in their order."""

    pins: tuple[Pin, ...] = ()
    nodes: tuple[int, ...] = ()


class PinBook:
    """The places of a host's guests, in one file. Any thread."""

    def __init__(self, path: Path) -> None:
        """The file is made with the first guest that has a place."""
        self._path = path
        self._lock = threading.Lock()

    def place(
        self, server_id: ServerId, hardware: GuestHardware, nodes: Sequence[HostNode], dedicated: Collection[int]
    ) -> Placing:
        """Give the guest its place; one that it has, and that still serves, stays. Durable before it is given.

        `dedicated` are the processors of the host that may be given. Raises: NoPlaceError.
        """
        if not hardware.dedicated and not hardware.cells:
            return Placing()
        with self._lock:
            kept = self._read()
            found = kept.get(server_id)
            if found is None or not _serves(found, hardware, nodes, dedicated):
                taken = {pin.pcpu for other, place in kept.items() if other != server_id for pin in place.pins}
                found = choose(hardware, nodes, frozenset(dedicated) - taken)
                self._write(kept | {server_id: found})
            return found

    def release(self, server_id: ServerId) -> None:
        """Give a guest's processors back. May be repeated."""
        with self._lock:
            kept = self._read()
            if kept.pop(server_id, None) is not None:
                self._write(kept)

    def _read(self) -> dict[str, Placing]:
        try:
            plain = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        return {server_id: wire.from_plain(Placing, place) for server_id, place in plain.items()}

    def _write(self, kept: dict[str, Placing]) -> None:
        write_secret(self._path, orjson.dumps({server_id: wire.to_plain(place) for server_id, place in kept.items()}))


def _serves(place: Placing, hardware: GuestHardware, nodes: Sequence[HostNode], dedicated: Collection[int]) -> bool:
    """Whether a place is still what the guest needs: it may have been rebuilt, and the host's processors shared out anew."""
    return (
        tuple(pin.vcpu for pin in place.pins) == hardware.dedicated
        and all(pin.pcpu in dedicated for pin in place.pins)
        and len(place.nodes) == len(hardware.cells)
        and set(place.nodes) <= {node.id for node in nodes}
    )


def choose(hardware: GuestHardware, nodes: Sequence[HostNode], free: Collection[int]) -> Placing:
    """Choose processors, the lowest first. Pure.

    A guest without NUMA nodes gets all from one node of the host where one has enough, else from several.
    Raises: NoPlaceError.
    """
    if hardware.cells:
        return _by_cells(hardware, nodes, free)
    count = len(hardware.dedicated)
    pools = [sorted(set(node.cpus) & set(free)) for node in nodes]
    enough = [pool for pool in pools if len(pool) >= count]
    chosen = min(enough, key=len) if enough else sorted(free)
    if len(chosen) < count:
        raise NoPlaceError(f"{count} dedicated CPUs are asked for, {len(chosen)} are left.")
    return Placing(pins=_pins(hardware.dedicated, chosen))


def _by_cells(hardware: GuestHardware, nodes: Sequence[HostNode], free: Collection[int]) -> Placing:
    chosen = next(_ways(hardware, hardware.cells, tuple(nodes), free), None)
    if chosen is None:
        raise NoPlaceError("No NUMA nodes of the host have what those of the guest need.")
    pins: list[Pin] = []
    for cell, node in zip(hardware.cells, chosen, strict=True):
        own = [vcpu for vcpu in cell.cpus if vcpu in hardware.dedicated]
        pins += _pins(own, sorted(set(node.cpus) & set(free)))
    return Placing(pins=tuple(sorted(pins, key=lambda pin: pin.vcpu)), nodes=tuple(node.id for node in chosen))


def _ways(
    hardware: GuestHardware, cells: tuple[NumaCell, ...], nodes: tuple[HostNode, ...], free: Collection[int]
) -> Iterator[tuple[HostNode, ...]]:
    """Go through the ways to give each cell a node of its own."""
    if not cells:
        yield ()
        return
    for node in nodes:
        if _holds(node, cells[0], hardware, free):
            others = tuple(one for one in nodes if one is not node)
            for rest in _ways(hardware, cells[1:], others, free):
                yield (node, *rest)


def _holds(node: HostNode, cell: NumaCell, hardware: GuestHardware, free: Collection[int]) -> bool:
    pinned = len(set(cell.cpus) & set(hardware.dedicated))
    return cell.ram_mib <= node.ram_mib and len(cell.cpus) <= len(node.cpus) and pinned <= len(set(node.cpus) & set(free))


def _pins(vcpus: Sequence[int], pcpus: Sequence[int]) -> tuple[Pin, ...]:
    return tuple(Pin(vcpu=vcpu, pcpu=pcpu) for vcpu, pcpu in zip(vcpus, pcpus, strict=False))
