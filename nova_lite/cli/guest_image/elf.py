"""What an ELF program needs to run: its interpreter and libraries, read without any tool."""

from __future__ import annotations

import struct
from pathlib import Path

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB = 1, 5


def needed(path: Path) -> list[str]:
    """List the file names of the interpreter and the libraries of an ELF64 file; none for other files."""
    data = path.read_bytes()
    if data[:4] != b"\x7fELF":
        return []
    segments = _segments(data)
    interpreters = [Path(data[at : at + size - 1].decode()).name for kind, at, _, size in segments if kind == PT_INTERP]
    dynamic = next(((at, size) for kind, at, _, size in segments if kind == PT_DYNAMIC), None)
    if dynamic is None:
        return interpreters
    entries = list(_entries(data, *dynamic))
    strings = _offset_of(segments, next(value for tag, value in entries if tag == DT_STRTAB))
    names = [data[strings + value : data.index(b"\0", strings + value)].decode() for tag, value in entries if tag == DT_NEEDED]
    return interpreters + names


def _segments(data: bytes) -> list[tuple[int, int, int, int]]:
    """List (type, offset, address, size) of each program header."""
    (start,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    rows = (struct.unpack_from("<IIQQQQ", data, start + index * size) for index in range(count))
    return [(row[0], row[2], row[3], row[5]) for row in rows]


def _entries(data: bytes, start: int, size: int) -> list[tuple[int, int]]:
    rows = (struct.unpack_from("<QQ", data, offset) for offset in range(start, start + size, 16))
    return [(tag, value) for tag, value in rows if tag]


def _offset_of(segments: list[tuple[int, int, int, int]], address: int) -> int:
    """Turn an address of the loaded program into an offset in the file."""
    for kind, at, start, size in segments:
        if kind == PT_LOAD and start <= address < start + size:
            return address - start + at
    return address
