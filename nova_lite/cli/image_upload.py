"""Sends a file as the bytes of an image, by as many connections as it takes, and compares the hashes at the end."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import select
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from nova_lite import errors
from nova_lite.cli.image_line import JSON, Cut, Line, Tries, answer_of, cut_off, judge
from nova_lite.cli.meters import Meter

PIECE = 256 * 1024
BYTES = {"Content-Type": "application/octet-stream", **JSON}
BUSY_S = 60.0  # until the service has noticed that our last connection was cut
CHECKING_S = 3600.0  # ... and while it may be reading again what it has, at the end
INCOMPLETE = 308
_RANGE = re.compile(r"bytes=0-(\d{1,18})", re.ASCII)


class FileChanged(errors.Conflict):
    """The file changed while it was being sent."""

    code = "file_changed"


class Upload:
    """One file on its way to one image."""

    def __init__(self, line: Line, image_id: str, source: Path, meter: Meter, tries: Tries | None = None) -> None:
        """Nothing is sent yet."""
        self._line = line
        self._image_id = image_id
        self._source = source
        self._meter = meter
        self._tries = tries or Tries(line, meter.note)
        self._total = source.stat().st_size
        self._hash = hashlib.sha512()
        self._hashed = 0

    def run(self, *, begun: bool = False) -> None:
        """Send it all; with `begun` go on with an earlier upload.

        Raises: FileChanged when the image has other bytes than the file; Unavailable when nothing moved for too long; what the
        service says.
        """
        self._meter.begin(self._total)
        with self._source.open("rb") as file:
            here = self._ask() if begun else 0
            while here is not None:
                here = self._send(file, here)
            self._meter.at(self._total)
            self._hash_up_to(file, self._total)
        self._compare(self._tries.until_answered(lambda: self._line.show(self._image_id)))

    def _send(self, file: IO[bytes], start: int) -> int | None:
        """Send what is missing; give how far it came, None when the image is complete."""
        try:
            here = self._send_rest(file, start)
        except errors.Unauthorized as error:
            self._tries.renew(error)
            here = self._ask()
        except errors.Conflict as error:
            if isinstance(error, FileChanged):
                raise
            here = self._ask()  # our last connection may live yet for the service, or its answer was lost
        except Cut as cut:
            self._tries.pause(cut)
            here = self._ask()
        if here is None or here > start:
            self._tries.moved()
        return here

    def _send_rest(self, file: IO[bytes], start: int) -> int | None:
        headers = {**BYTES, "Content-Length": str(self._total - start)}
        if self._total:
            headers["Content-Range"] = f"bytes {start}-{self._total - 1}/{self._total}"
        with self._line.connected("PUT", f"/images/{self._image_id}/file", headers) as connection:
            self._pour(file, start, connection)
            return _progress(answer_of(connection))

    def _pour(self, file: IO[bytes], start: int, connection: http.client.HTTPConnection) -> None:
        """Send bytes until all are sent or the service answers early, since it refuses them."""
        file.seek(start)
        while start < self._total:
            data = file.read(min(PIECE, self._total - start))
            if not data:
                raise FileChanged
            with cut_off():
                if select.select([connection.sock], [], [], 0)[0]:
                    return
                connection.send(data)
            if self._hashed == start:
                self._hash.update(data)
                self._hashed += len(data)
            start += len(data)
            self._meter.at(start)

    def _ask(self) -> int | None:
        """Ask how far it came; None when the image is complete. Raises: what the service says."""
        headers = {**BYTES, "Content-Length": "0", "Content-Range": f"bytes */{self._total}"}

        def once() -> int | None:
            with self._line.connected("PUT", f"/images/{self._image_id}/file", headers) as connection:
                return _progress(answer_of(connection))

        patience_s = CHECKING_S if self._hashed == self._total else BUSY_S
        here = _while_busy(self._tries, once, patience_s)
        if here is not None:
            self._meter.at(here)
        return here

    def _hash_up_to(self, file: IO[bytes], end: int) -> None:
        """Hash what was not hashed when it was sent: an earlier call may have sent it."""
        file.seek(self._hashed)
        while self._hashed < end and (data := file.read(PIECE)):
            self._hash.update(data)
            self._hashed += len(data)

    def _compare(self, image: dict[str, Any]) -> None:
        """See that the image is the file. Raises: FileChanged."""
        same = image.get("size") == self._total and os.path.getsize(self._source) == self._total
        if image.get("os_hash_algo") == "sha512":
            same = same and image.get("os_hash_value") == self._hash.hexdigest()
        if not same:
            raise FileChanged(f"Image {self._image_id} does not have the bytes of the file, which changed while it was sent.")


def _while_busy(tries: Tries, once: Callable[[], int | None], patience_s: float) -> int | None:
    """Ask until nobody sends any more. Raises: Conflict when somebody does for too long, or the upload is another one's."""
    while True:
        try:
            found: int | None = tries.until_answered(once)
            return found
        except errors.Conflict as error:
            try:
                tries.pause(Cut(error.message), patience_s=patience_s)
            except errors.Unavailable:
                raise error from None


def _progress(response: http.client.HTTPResponse) -> int | None:
    """Give how many bytes are there; None for all. Raises: Cut; what the service says."""
    judge(response, (204, INCOMPLETE))
    if response.status == 204:
        return None
    match = _RANGE.fullmatch(response.getheader("Range") or "")
    return int(match[1]) + 1 if match else 0
