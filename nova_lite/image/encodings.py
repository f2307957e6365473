"""Content codings of images on the wire, gzip and zstd, both ways in bounded memory."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import zstandard

from nova_lite import errors

CODINGS = ("zstd", "gzip")  # in the order of our preference
PIECE = 1 << 20
LEVELS = {"zstd": 3, "gzip": 1}
GZIP = 31  # zlib's window bits for a gzip stream
WINDOW = 8 << 20  # RFC 9659: the most that a sender may ask of who decodes the coding zstd
SLICE = 1024  # of a zstd stream, four bytes of which may stand for 128 KiB (RFC 8878, RLE blocks): 32 MiB at a time
UNANNOUNCED_TIMES = 1000  # so many times its length a body may become without a word; images of zeros do
UNANNOUNCED_BYTES = 64 << 20  # ... and any body so many bytes


class _Gzip:
    """One member of a gzip stream."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(GZIP)

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        """Give some of what `data` stands for, and the part of it that was not looked at."""
        piece = self._stream.decompress(data, PIECE)
        return piece, self._stream.unused_data or self._stream.unconsumed_tail

    @property
    def ended(self) -> bool:
        return self._stream.eof


class _Zstd:
    """One frame of a zstd stream."""

    def __init__(self) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=WINDOW).decompressobj()

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        """Give what `data` stands for, and what is behind the frame."""
        return self._stream.decompress(data), self._stream.unused_data

    @property
    def ended(self) -> bool:
        return self._stream.eof


class Decoded:
    """A coded body as the bytes that it stands for; what comes behind the last member or frame is one more."""

    def __init__(
        self, read: Callable[[int], bytes], coding: str, *, most: int | None = None, digests: Mapping[str, str] | None = None
    ) -> None:
        """Decode what `read` gives.

        most: bytes that may come out, as announced; digests: of the body as it is sent, by `md5` or `sha512`, in hexadecimal
        """
        self._read = read
        self._coding = coding
        self._most = most
        self._wanted = dict(digests or {})
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in self._wanted}
        self._received = self._given = 0
        self._pieces = self._decode()
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Give up to `size` bytes; none at the end.

        Raises: BadRequest for a stream that is damaged, ends early, or is not what was announced; TooLarge; what `read` raises.
        """
        if not self._rest:
            self._rest = next(self._pieces, b"")
            self._given += len(self._rest)
            self._check_size()
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def _check_size(self) -> None:
        most = max(UNANNOUNCED_BYTES, UNANNOUNCED_TIMES * self._received) if self._most is None else self._most
        if self._given > most:
            raise errors.TooLarge(f"The body becomes more than {most} bytes; X-OpenStack-Image-Size announces how many.")

    def _decode(self) -> Iterator[bytes]:
        """Give pieces, none of them empty. Raises: BadRequest."""
        decoder: _Gzip | _Zstd | None = None
        begun = False
        for whole in self._slices():
            data = whole
            while data:
                decoder = decoder or (_Gzip() if self._coding == "gzip" else _Zstd())
                begun = True
                try:
                    piece, data = decoder.step(data)
                except (zlib.error, zstandard.ZstdError) as error:
                    raise errors.BadRequest(
                        f"The body is not {self._coding}, is damaged, or asks for too much memory."
                    ) from error
                if piece:
                    yield piece
                if decoder.ended:
                    decoder = None
        if decoder is not None or not begun:
            raise errors.BadRequest(f"The body ends before its {self._coding} stream does.")
        self._check_digests()

    def _slices(self) -> Iterator[bytes]:
        while data := self._read(PIECE):
            self._received += len(data)
            for known in self._hashes.values():
                known.update(data)
            step = SLICE if self._coding == "zstd" else len(data)
            for start in range(0, len(data), step):
                yield data[start : start + step]

    def _check_digests(self) -> None:
        for name, wanted in self._wanted.items():
            if self._hashes[name].hexdigest() != wanted.lower():
                raise errors.BadRequest(f"The body does not have the {name} that was announced: it was damaged on the way.")


class Encoded:
    """Bytes being read, as a coded stream in pieces. Closing it closes them."""

    def __init__(self, file: Any, coding: str) -> None:
        """`file` has `read` and `close`."""
        self._file = file
        self._pieces = _encode(file, coding)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """Let go of the bytes. May be repeated."""
        self._file.close()


def _encode(file: Any, coding: str) -> Iterator[bytes]:
    level = LEVELS[coding]
    encoder: Any = (
        zlib.compressobj(level, wbits=GZIP)
        if coding == "gzip"
        else zstandard.ZstdCompressor(level=level, write_checksum=True).compressobj()
    )
    while data := file.read(PIECE):
        if piece := encoder.compress(data):
            yield piece
    yield encoder.flush()
