"""The initramfs: a gzipped cpio archive in the form that the kernel unpacks."""

from __future__ import annotations

import dataclasses
import gzip
import stat
from collections.abc import Iterable

NEWC_MAGIC = "070701"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of the archive, owned by root. `device` is (major, minor) of a device node."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def folder(name: str) -> Entry:
    """Make a folder's entry."""
    return Entry(name=name, mode=stat.S_IFDIR | 0o755)


def program(name: str, data: bytes) -> Entry:
    """Make the entry of a file that can be run."""
    return Entry(name=name, mode=stat.S_IFREG | 0o755, data=data)


def plain(name: str, data: bytes) -> Entry:
    """Make the entry of a file that is read."""
    return Entry(name=name, mode=stat.S_IFREG | 0o644, data=data)


def link(name: str, target: str) -> Entry:
    """Make a symbolic link's entry."""
    return Entry(name=name, mode=stat.S_IFLNK | 0o777, data=target.encode())


def pack(entries: Iterable[Entry]) -> bytes:
    """Give the gzipped archive; the same entries give the same bytes."""
    out = bytearray()
    for number, entry in enumerate([*entries, Entry(name="TRAILER!!!", mode=0)], 1):
        name = entry.name.encode() + b"\0"
        fields = (number, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, *entry.device, len(name), 0)
        out += NEWC_MAGIC.encode() + b"".join(b"%08X" % field for field in fields) + name
        out += b"\0" * (-len(out) % 4)
        out += entry.data
        out += b"\0" * (-len(out) % 4)
    return gzip.compress(bytes(out), 9, mtime=0)
