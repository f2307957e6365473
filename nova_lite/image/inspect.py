"""What image bytes really are, found out while they pass by, and whether they are safe to be opened as what they claim to be.

The claim is the record's `disk_format`; the finding is written down once and every later tool is told it. Hosts use this
file too, so it imports no records. Most formats are read by oslo.utils' format inspector; ploop, fixed VHD and differencing
disks by header checks of our own, and of an OVA the disk inside.
"""

from __future__ import annotations

import contextlib
import dataclasses
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from oslo_utils.imageutils import format_inspector

from nova_lite import errors
from nova_lite.image.ova import Archive, ArchiveRefused, Place

DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
HEAD = 1 << 20  # the first piece that inspectors see: every header is in it, however small the pieces on the wire were
SECTOR = 512
MOST_BYTES = (1 << 63) - 1
PLAIN = ("raw", "gpt", "luks")  # what is opened as raw, whatever is inside
KERNEL_PARTS = ("ami", "ari", "aki")
AS_SENT = ("raw", "iso", *KERNEL_PARTS)  # formats whose virtual size is their size
OVA = "ova"
DOCKER = "docker"  # a tar archive too, of layers
NOT_DISKS = (DOCKER, "compressed")
TAR_MAGIC, TAR_PLACE = b"ustar", 257
PLOOP_MAGICS = {b"WithoutFreeSpace": "<I", b"WithouFreSpacExt": "<Q"}  # QEMU docs/interop/parallels: the size's width differs
VHD_MAGIC = b"conectix"
VHD_FIXED, VHD_DYNAMIC = 2, 3  # MS VHD specification, "Disk Type"; 4 is a differencing disk
VDI_KINDS = (1, 2)  # VirtualBox: dynamic and fixed; others need a parent


class FormatRefused(errors.UnsupportedMediaType):
    """The image's content is not what its record claims, or it is not safe to be opened."""

    code = "format_refused"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found. `virtual_size_bytes` is None where no disk is seen (docker's archives, compressed images, false claims).

    place: where the disk lies in an archive of one
    """

    format: str
    size_bytes: int
    virtual_size_bytes: int | None
    place: Place | None = None


class Inspection:
    """Looks at the bytes of one image: `feed` all of them, then `finish`."""

    def __init__(self, disk_format: str, container_format: str = "bare", *, lenient: bool = False) -> None:
        """Take the record's claim. lenient: content of another format is no reason to refuse; it counts as no disk."""
        self._claim = disk_format
        self._container = container_format
        self._lenient = lenient
        self._false = False  # the claim
        self._pieces = _Pieces()
        self._wrapper = format_inspector.InspectWrapper(self._pieces)  # type: ignore[arg-type]
        self._head = bytearray()
        self._tail = b""
        self._size = 0
        self._inner: Inspection | None = None
        if container_format == OVA:
            self._inner = Inspection(disk_format, lenient=lenient)
            self._archive = Archive(self._inner.feed)

    def feed(self, data: bytes) -> None:
        """Look at the next bytes. Raises: FormatRefused as soon as the head of the image shows it."""
        if not data:
            return
        missing = HEAD - len(self._head)
        self._size += len(data)
        self._tail = (self._tail + data[-SECTOR:])[-SECTOR:]
        if self._inner is not None:
            with _refused_archives():
                self._archive.feed(data)
            return
        if missing <= 0:
            self._show(data)
            return
        self._head += data[:missing]
        if len(self._head) == HEAD:
            self._show(bytes(self._head))
            self._check_head()
            if rest := data[missing:]:
                self._show(rest)

    def finish(self) -> Finding:
        """Tell what it is. Raises: FormatRefused."""
        if self._inner is not None:
            with _refused_archives():
                place = self._archive.finish()
            return dataclasses.replace(self._inner.finish(), size_bytes=self._size, place=place)
        if self._size < HEAD and self._head:
            self._show(bytes(self._head))
        self._wrapper.close()
        if self._container in NOT_DISKS:
            self._check_container()
            return Finding(format=self._claim, size_bytes=self._size, virtual_size_bytes=None)
        found = self._matches()
        self._require_claim(found)
        virtual_size = None if self._false else self._virtual_size(found)
        return Finding(format=self._claim, size_bytes=self._size, virtual_size_bytes=virtual_size)

    def _show(self, data: bytes) -> None:
        """Show a piece to every inspector; those it breaks no longer take part."""
        self._pieces.next = data
        self._wrapper.read(len(data))

    def _check_head(self) -> None:
        """Refuse early what cannot become right any more: no gigabyte of it is taken in vain."""
        if self._container in NOT_DISKS:
            self._check_container()
            return
        found = self._wrapper.formats
        # A fixed VHD shows only by its last sector, a stream-optimized VMDK only at its end.
        if found is not None and self._claim != "vhd":
            self._require_claim({inspector.NAME: inspector for inspector in found})

    def _matches(self) -> dict[str, format_inspector.FileInspector]:
        return {inspector.NAME: inspector for inspector in self._wrapper.formats or ()}

    def _require_claim(self, found: dict[str, format_inspector.FileInspector]) -> None:
        names = self._names(found)
        self._false = self._claim not in _fitting(names)
        if self._false and not self._lenient:
            shown = " and ".join(sorted(names - {"gpt"} or names))
            raise FormatRefused(f"The image claims to be {self._claim}, but its content is {shown}.")
        if not self._false and self._claim in found and self._claim not in PLAIN:
            _require_safe(found[self._claim])
            if check := OWN_CHECKS.get(self._claim):
                check(bytes(self._head))

    def _names(self, found: dict[str, format_inspector.FileInspector]) -> set[str]:
        """Name the content by oslo.utils' finding and our own."""
        names = set(found)
        if bytes(self._head[:16]) in PLOOP_MAGICS:
            names.add("ploop")
        if self._claim == "vhd" and self._tail.startswith(VHD_MAGIC):
            names.add("vhd")
        return names - {"raw"} if len(names) > 1 else names

    def _virtual_size(self, found: dict[str, format_inspector.FileInspector]) -> int:
        if self._claim in AS_SENT:
            return self._size
        if self._claim == "ploop":
            size = _ploop_size(bytes(self._head))
        elif self._claim == "vhd" and "vhd" not in found:
            size = _vhd_size(self._tail)
        else:
            size = _inspected_size(found[self._claim])
        if not 0 < size <= MOST_BYTES:
            raise FormatRefused(f"The {self._claim} image does not tell the size of its disk.")
        return size

    def _check_container(self) -> None:
        if self._container == DOCKER and not self._head[TAR_PLACE:].startswith(TAR_MAGIC):
            raise FormatRefused(f"The image claims to be in a container of {self._container}, but is no tar archive.")


@contextlib.contextmanager
def _refused_archives() -> Iterator[None]:
    try:
        yield
    except ArchiveRefused as refusal:
        raise FormatRefused(f"The ova archive is not accepted: {refusal}.") from refusal


class _Pieces:
    """Hands the wrapper the piece it is to look at."""

    next = b""

    def read(self, _size: int) -> bytes:
        """Give the piece that was put here."""
        return self.next


def inspect_file(path: Path, disk_format: str, container_format: str = "bare") -> Finding:
    """Look at a whole file. Raises: FormatRefused; OSError."""
    inspection = Inspection(disk_format, container_format)
    with path.open("rb", buffering=0) as file:
        while data := file.read(HEAD):
            inspection.feed(data)
    return inspection.finish()


def _fitting(names: set[str]) -> set[str]:
    """Give the claims that content with these names may make."""
    if names <= set(PLAIN):
        return {"raw", *KERNEL_PARTS}
    structured = names - {"gpt"}  # a bootable ISO has a partition table too
    return structured if len(structured) == 1 else set()


def _require_safe(inspector: format_inspector.FileInspector) -> None:
    try:
        inspector.safety_check()
    except format_inspector.SafetyCheckFailed as error:
        reasons = ", ".join(sorted(REASONS.get(name, str(failure)) for name, failure in error.failures.items()))
        raise FormatRefused(f"The {inspector.NAME} image is not accepted: {reasons}.") from error
    except format_inspector.ImageFormatError as error:
        raise FormatRefused(f"The {inspector.NAME} image is incomplete or damaged.") from error


REASONS = {
    "backing_file": "it has a backing file, which would be read from the host",
    "data_file": "it has an external data file, which would be read from the host",
    "unknown_features": "it uses a version or features of the format that are not known here",
    "descriptor": "its descriptor names extents in other files, or is not of the kinds monolithicSparse or streamOptimized",
    "footer": "its footer contradicts its header",
}


def _check_vhd(head: bytes) -> None:
    if struct.unpack_from(">I", head, 60)[0] not in (VHD_FIXED, VHD_DYNAMIC):
        raise FormatRefused("The vhd image is not accepted: it is a differencing disk, which needs a parent.")


def _check_vdi(head: bytes) -> None:
    if struct.unpack_from("<I", head, 0x4C)[0] not in VDI_KINDS:
        raise FormatRefused("The vdi image is not accepted: it is a differencing disk, which needs a parent.")


OWN_CHECKS: dict[str, Callable[[bytes], None]] = {"vhd": _check_vhd, "vdi": _check_vdi}


def _inspected_size(inspector: format_inspector.FileInspector) -> int:
    try:
        return int(inspector.virtual_size)
    except (struct.error, KeyError, ValueError) as error:
        raise FormatRefused(f"The {inspector.NAME} image is damaged.") from error


def _ploop_size(head: bytes) -> int:
    width = PLOOP_MAGICS[head[:16]]
    if len(head) < 44:
        return 0
    return int(struct.unpack_from(width, head, 36)[0]) * SECTOR


def _vhd_size(footer: bytes) -> int:
    return int(struct.unpack_from(">Q", footer, 48)[0]) if len(footer) == SECTOR else 0
