"""Reading a disk that QEMU exports by NBD on a socket in the file system: which parts hold data, and their bytes.

The protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, fixed newstyle with simple replies.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson

from nova_lite.compute.disks.tool import DiskError

INIT_MAGIC, OPTION_MAGIC, OPTION_REPLY = b"NBDMAGIC", b"IHAVEOPT", 0x0003E889045565A9
REQUEST, REPLY = 0x25609513, 0x67446698
FIXED_NEWSTYLE, NO_ZEROES = 1, 2
GO, ACK, INFO, INFO_EXPORT = 7, 1, 3, 0
READ, DISCONNECT = 0, 2
ANSWER_S = 60.0
MAP_S = 300.0
MOST_INFO = 4096


class Reader:
    """One connection to an export."""

    def __init__(self, connection: socket.socket, export: str) -> None:
        """Shake hands. Raises: DiskError, OSError."""
        self._socket = connection
        self.size_bytes = self._open(export.encode())

    def read(self, offset: int, length: int) -> bytes:
        """Give bytes. Raises: DiskError, OSError."""
        self._socket.sendall(struct.pack(">IHHQQI", REQUEST, 0, READ, offset, offset, length))
        magic, error, handle = struct.unpack(">IIQ", self._take(16))
        if magic != REPLY or handle != offset or error:
            raise _broken()
        return self._take(length)

    def close(self) -> None:
        """Say goodbye."""
        with contextlib.suppress(OSError):
            self._socket.sendall(struct.pack(">IHHQQI", REQUEST, 0, DISCONNECT, 0, 0, 0))
        self._socket.close()

    def _open(self, export: bytes) -> int:
        """Choose the export; give its size."""
        if self._take(16) != INIT_MAGIC + OPTION_MAGIC:
            raise _broken()
        self._take(2)
        wanted = struct.pack(">I", len(export)) + export + struct.pack(">H", 0)
        self._socket.sendall(struct.pack(">I", FIXED_NEWSTYLE | NO_ZEROES))
        self._socket.sendall(OPTION_MAGIC + struct.pack(">II", GO, len(wanted)) + wanted)
        size = None
        while True:
            magic, _option, kind, length = struct.unpack(">QIII", self._take(20))
            if magic != OPTION_REPLY or length > MOST_INFO:
                raise _broken()
            data = self._take(length)
            if kind == ACK and size is not None:
                return size
            if kind != INFO:
                raise _broken()
            if struct.unpack_from(">H", data)[0] == INFO_EXPORT:
                size = int(struct.unpack_from(">Q", data, 2)[0])

    def _take(self, length: int) -> bytes:
        taken = bytearray(length)
        view = memoryview(taken)
        while view:
            count = self._socket.recv_into(view)
            if not count:
                raise _broken()
            view = view[count:]
        return bytes(taken)


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[tuple[str, int]]:
    """Give a path of a socket that is short enough for any address, and the descriptor that a child needs for it."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}", folder
    finally:
        os.close(folder)


@contextlib.contextmanager
def reading(path: Path, export: str) -> Iterator[Reader]:
    """Read an export while the block lasts. Raises: DiskError when it ends early; OSError."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection, short_path(path) as (address, _folder):
        connection.settimeout(ANSWER_S)
        connection.connect(address)
        reader = Reader(connection, export)
        yield reader
        reader.close()


def extents(path: Path, export: str) -> list[tuple[int, int]]:
    """List the parts of an export that hold data, (offset, length) in bytes, in their order. Raises: DiskError."""
    with short_path(path) as (address, folder):
        command = ["qemu-img", "map", "--output=json", "--image-opts"]
        command.append(f"driver=nbd,server.type=unix,server.path={address},export={export}")
        try:
            done = subprocess.run(command, capture_output=True, timeout=MAP_S, check=True, pass_fds=(folder,))
        except (OSError, subprocess.SubprocessError) as error:
            raise DiskError("The host could not read the disk.") from error
    return [(part["start"], part["length"]) for part in orjson.loads(done.stdout) if part["data"] and not part["zero"]]


def _broken() -> DiskError:
    return DiskError("The host could not read the disk to its end.", code="disk_read")
