"""An OVA (DSP0243 of the DMTF) read as it passes by: one descriptor, one disk, names that go nowhere.

Nothing is unpacked: the disk inside is shown to whoever inspects it, and `place` tells where it lies in the archive. What the
standard does not ask for is refused where it could make two readers see two different archives: links, folders, extended
headers, names twice, bytes after the end.
"""

from __future__ import annotations

import dataclasses
import re
import tarfile
import xml.parsers.expat
from collections.abc import Callable

BLOCK = tarfile.BLOCKSIZE
MOST_FILES = 100
LONGEST_DESCRIPTOR = 1 << 20
NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,100}")
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
END = bytes(BLOCK)


class ArchiveRefused(Exception):
    """The archive is damaged, or is none of those that are taken. The text says why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where the disk lies in the archive, in bytes."""

    start: int
    length: int


class Archive:
    """Reads an archive: `feed` all of it, then `finish`."""

    def __init__(self, show: Callable[[bytes], None]) -> None:
        """`show` gets the bytes of the disk, piece by piece; what it raises goes through."""
        self.place: Place | None = None
        self._show = show
        self._names: set[str] = set()
        self._disk = ""
        self._descriptor = bytearray()
        self._pending = bytearray()  # less than a block
        self._read = 0  # bytes of the archive that were looked at
        self._left = 0  # of the present file
        self._padding = 0
        self._take: Callable[[bytes], None] = _skip
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Look at the next bytes. Raises: ArchiveRefused."""
        rest = memoryview(data)
        while rest:
            if self._left or self._padding:
                rest = rest[self._pass(rest) :]
                continue
            wanted = BLOCK - len(self._pending)
            self._pending += rest[:wanted]
            rest = rest[wanted:]
            if len(self._pending) == BLOCK:
                block = bytes(self._pending)
                self._pending.clear()
                self._read += BLOCK
                self._header(block)

    def finish(self) -> Place:
        """Tell where the disk is. Raises: ArchiveRefused when the archive is cut or has no disk."""
        if self._left or self._padding or self._pending or not self._names:
            raise ArchiveRefused("it is cut, or no tar archive")
        if self.place is None:
            raise ArchiveRefused("the disk that its descriptor names is not in it")
        return self.place

    def _pass(self, rest: memoryview) -> int:
        """Go on in the present file, or in what fills its last block; give how many bytes were taken."""
        if self._left:
            count = min(self._left, len(rest))
            self._take(bytes(rest[:count]))
            self._left -= count
            if not self._left and self._take == self._keep:
                self._disk = _disk_of(bytes(self._descriptor))
        else:
            count = min(self._padding, len(rest))
            self._padding -= count
        self._read += count
        return count

    def _header(self, block: bytes) -> None:
        if self._ended or block == END:
            self._ended = True
            if block != END:
                raise ArchiveRefused("something follows its end")
            return
        try:
            found = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise ArchiveRefused("it is damaged, or no tar archive") from error
        self._begin(found)

    def _begin(self, found: tarfile.TarInfo) -> None:
        """Choose what is done with the next file."""
        name = found.name
        if found.type not in FILES:
            raise ArchiveRefused("it has more than plain files: links, folders or extended headers")
        if not NAME.fullmatch(name) or name in (".", "..") or found.size < 0:
            raise ArchiveRefused("a file in it has a path, or a name that is not usable")
        if name in self._names or len(self._names) >= MOST_FILES:
            raise ArchiveRefused(f"a name is in it twice, or it has more than {MOST_FILES} files")
        self._take = self._choose(name, found.size)
        self._names.add(name)
        self._left, self._padding = found.size, -found.size % BLOCK

    def _choose(self, name: str, size: int) -> Callable[[bytes], None]:
        if not self._names:
            if not name.lower().endswith(".ovf") or not 0 < size <= LONGEST_DESCRIPTOR:
                raise ArchiveRefused("it does not begin with a descriptor (.ovf) of at most 1 MiB")
            return self._keep
        if name != self._disk:
            return _skip
        self.place = Place(start=self._read, length=size)
        return self._show

    def _keep(self, data: bytes) -> None:
        self._descriptor += data


class _Descriptor:
    """The files and disks that an OVF descriptor names. Its document types and entities are refused, not read."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, str]] = {}
        self.disks: list[dict[str, str]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take an element; the standard's namespaces differ by version, so only the last part of names counts."""
        local = name.rpartition(" ")[2]
        values = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        if local == "File":
            self.files[values.get("id", "")] = values
        elif local == "Disk" and values.get("fileRef"):
            self.disks.append(values)

    def refuse(self, *_declared: object) -> None:
        """Refuse a document type."""
        raise ArchiveRefused("its descriptor declares a document type")


def _disk_of(descriptor: bytes) -> str:
    """Give the name of the one disk. Raises: ArchiveRefused."""
    found = _Descriptor()
    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = found.start
    parser.StartDoctypeDeclHandler = found.refuse
    try:
        parser.Parse(descriptor, True)
    except (xml.parsers.expat.ExpatError, LookupError, ValueError) as error:
        raise ArchiveRefused("its descriptor is not well-formed XML") from error
    if len(found.disks) != 1:
        raise ArchiveRefused(f"its descriptor names {len(found.disks)} disks; one is taken")
    file = found.files.get(found.disks[0]["fileRef"], {})
    if file.get("compression", "identity") != "identity" or "chunkSize" in file:
        raise ArchiveRefused("its disk is compressed or in pieces")
    if not NAME.fullmatch(file.get("href", "")):
        raise ArchiveRefused("its disk is at another place than in it")
    return file["href"]


def _skip(_data: bytes) -> None:
    """Let a file pass that nobody reads."""
