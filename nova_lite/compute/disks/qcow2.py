"""A qcow2 image that is written as a stream: all that its tables say is known before the first byte of data is read.

So a disk leaves the host without a copy of it, holes left out, and flattened: the image has no backing file. The clusters lie
in the order header, refcount table, refcount blocks, L1 table, L2 tables, data (docs/interop/qcow2.txt of QEMU, version 3).
Pure: the bytes come from `read`.
"""

from __future__ import annotations

import array
import dataclasses
import struct
import sys
from collections.abc import Callable, Iterable, Iterator

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
L2_ENTRIES = CLUSTER // 8
REFCOUNTS = CLUSTER // 2  # of 16 bits, in a block
ENTRIES = CLUSTER // 8  # of a table of offsets, in a cluster
COPIED = 1 << 63  # the cluster is this image's alone
PIECE = 32  # clusters that are read at once: 2 MiB
HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
HEADER_LENGTH = 104
ORDER_16_BIT = 4

Read = Callable[[int, int], bytes]


@dataclasses.dataclass(frozen=True)
class Run:
    """Clusters of the disk, one behind another, that hold data."""

    first: int
    count: int

    @property
    def end(self) -> int:
        """Give the cluster behind the last."""
        return self.first + self.count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Where everything lies in the image, in clusters."""

    disk_bytes: int
    runs: tuple[Run, ...]
    l1_entries: int
    l2_tables: tuple[int, ...]  # the entries of the L1 table that have one
    refcount_table: int
    refcount_blocks: int

    @property
    def l1_place(self) -> int:
        """Give the first cluster of the L1 table."""
        return 1 + self.refcount_table + self.refcount_blocks

    @property
    def l2_place(self) -> int:
        """Give the first cluster of the L2 tables."""
        return self.l1_place + _ceil(self.l1_entries, ENTRIES)

    @property
    def data_place(self) -> int:
        """Give the first cluster of data."""
        return self.l2_place + len(self.l2_tables)

    @property
    def clusters(self) -> int:
        """Give the clusters of the image."""
        return self.data_place + sum(run.count for run in self.runs)

    @property
    def size_bytes(self) -> int:
        """Give the size of the image."""
        return self.clusters * CLUSTER


def lay_out(disk_bytes: int, extents: Iterable[tuple[int, int]]) -> Layout:
    """Plan an image of a disk. `extents` are the parts with data, (offset, length) in bytes, in their order."""
    runs = _runs(extents)
    tables = sorted({table for run in runs for table in range(run.first // L2_ENTRIES, (run.end - 1) // L2_ENTRIES + 1)})
    l1_entries = max(_ceil(disk_bytes, CLUSTER * L2_ENTRIES), 1)
    rest = 1 + _ceil(l1_entries, ENTRIES) + len(tables) + sum(run.count for run in runs)
    table, blocks = 1, 1
    while blocks * REFCOUNTS < rest + table + blocks:
        blocks = _ceil(rest + table + blocks, REFCOUNTS)
        table = _ceil(blocks, ENTRIES)
    return Layout(
        disk_bytes=disk_bytes,
        runs=runs,
        l1_entries=l1_entries,
        l2_tables=tuple(tables),
        refcount_table=table,
        refcount_blocks=blocks,
    )


def write(layout: Layout, read: Read) -> Iterator[bytes]:
    """Give the image piece by piece; `read(offset, length)` gives the disk's bytes."""
    yield _header(layout).ljust(CLUSTER, b"\0")
    yield _table(range(1 + layout.refcount_table, layout.l1_place), layout.refcount_table)
    for block in range(layout.refcount_blocks):
        used = min(max(layout.clusters - block * REFCOUNTS, 0), REFCOUNTS)
        yield (b"\0\1" * used).ljust(CLUSTER, b"\0")
    yield _l1(layout)
    yield from _l2_tables(layout)
    yield from _data(layout, read)


def _header(layout: Layout) -> bytes:
    return HEADER.pack(
        b"QFI\xfb", 3, 0, 0, CLUSTER_BITS, layout.disk_bytes, 0, layout.l1_entries, layout.l1_place * CLUSTER,
        CLUSTER, layout.refcount_table, 0, 0, 0, 0, 0, ORDER_16_BIT, HEADER_LENGTH,
    )  # fmt: skip


def _l1(layout: Layout) -> bytes:
    entries = array.array("Q", bytes(8 * layout.l1_entries))
    for number, table in enumerate(layout.l2_tables):
        entries[table] = (layout.l2_place + number) * CLUSTER | COPIED
    return _filled(entries, _ceil(layout.l1_entries, ENTRIES))


def _l2_tables(layout: Layout) -> Iterator[bytes]:
    place, left = layout.data_place, list(reversed(layout.runs))
    for table in layout.l2_tables:
        entries = array.array("Q", bytes(CLUSTER))
        first, end = table * L2_ENTRIES, (table + 1) * L2_ENTRIES
        while left and left[-1].first < end:
            run = left.pop()
            count = min(run.end, end) - run.first
            for number in range(count):
                entries[run.first - first + number] = (place + number) * CLUSTER | COPIED
            place += count
            if count < run.count:
                left.append(Run(run.first + count, run.count - count))
        yield _filled(entries, 1)


def _data(layout: Layout, read: Read) -> Iterator[bytes]:
    for run in layout.runs:
        for first in range(run.first, run.end, PIECE):
            count = min(PIECE, run.end - first)
            length = min(count * CLUSTER, layout.disk_bytes - first * CLUSTER)
            yield read(first * CLUSTER, length).ljust(count * CLUSTER, b"\0")


def _runs(extents: Iterable[tuple[int, int]]) -> tuple[Run, ...]:
    """Widen parts to whole clusters, and join those that touch."""
    found: list[Run] = []
    for offset, length in extents:
        first, end = offset // CLUSTER, _ceil(offset + length, CLUSTER)
        if found and first <= found[-1].end:
            last = found.pop()
            first, end = last.first, max(end, last.end)
        if end > first:
            found.append(Run(first, end - first))
    return tuple(found)


def _table(clusters: Iterable[int], length: int) -> bytes:
    return _filled(array.array("Q", [cluster * CLUSTER for cluster in clusters]), length)


def _filled(entries: array.array[int], clusters: int) -> bytes:
    if sys.byteorder == "little":
        entries.byteswap()
    return entries.tobytes().ljust(clusters * CLUSTER, b"\0")


def _ceil(number: int, by: int) -> int:
    return -(-number // by)
