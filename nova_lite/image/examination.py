"""What is found out about an image's bytes while they pass by: how many, their hashes, their format."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from concurrent import futures

from nova_lite import errors
from nova_lite.image.inspect import Finding, Inspection
from nova_lite.image.records import Contents

BESIDE = 256 * 1024  # from so many bytes on it pays to hash them by another thread at the same time
LARGEST = 1 << 40  # no image is larger than 1 TiB; a body without end must end somewhere


class Examination:
    """Looks at the bytes of one image in their order: `feed` all of them, then `check`."""

    def __init__(self, disk_format: str | None, container_format: str | None, *, lenient: bool = False) -> None:
        """Take the record's claim. lenient: as of `Inspection`."""
        self.claim = (disk_format, container_format)
        self.size = 0
        self._inspection = Inspection(disk_format or "", container_format or "", lenient=lenient)
        self._hashes = {"md5": hashlib.md5(usedforsecurity=False), "sha512": hashlib.sha512()}

    def feed(self, data: bytes) -> None:
        """Look at the next bytes. Raises: TooLarge; FormatRefused."""
        self.size += len(data)
        if self.size > LARGEST:
            raise errors.TooLarge(f"An image may have at most {LARGEST} bytes.")
        beside = _others().submit(self._hashes["md5"].update, data) if len(data) >= BESIDE else None
        self._hashes["sha512"].update(data)
        if beside is None:
            self._hashes["md5"].update(data)
        else:
            beside.result()
        self._inspection.feed(data)

    def check(self, length: int | None, digests: Mapping[str, str]) -> Finding:
        """Compare with what was announced, and tell what it is. Raises: BadRequest; FormatRefused."""
        if length is not None and self.size != length:
            raise errors.BadRequest(f"{length} bytes were announced, {self.size} came.")
        for name, wanted in digests.items():
            if self._hashes[name].hexdigest() != wanted.lower():
                raise errors.BadRequest(f"The data do not have the {name} that was announced: they were damaged on the way.")
        return self._inspection.finish()

    def contents(self, finding: Finding, location: str) -> Contents:
        """Put together what the record is told."""
        return Contents(
            location=location,
            size_bytes=self.size,
            virtual_size_bytes=finding.virtual_size_bytes,
            md5=self._hashes["md5"].hexdigest(),
            sha512=self._hashes["sha512"].hexdigest(),
        )


@functools.cache
def _others() -> futures.ThreadPoolExecutor:
    """Give the threads that hash beside those that take bytes in; made by the first upload, so after any fork."""
    return futures.ThreadPoolExecutor(thread_name_prefix="hash")
