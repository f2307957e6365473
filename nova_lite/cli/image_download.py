"""Brings the bytes of an image into a file, by as many connections as it takes; the file appears whole and right, or not."""

from __future__ import annotations

import hashlib
import http.client
import os
from pathlib import Path
from typing import IO, Any

from nova_lite import errors
from nova_lite.cli.image_line import JSON, Cut, Line, Tries, answer_of, cut_off, judge
from nova_lite.cli.meters import Meter
from nova_lite.image.client import ImageDamaged

PIECE = 256 * 1024


class Download:
    """One image on its way to one file. Its bytes gather beside it, under the image's id, for a later call too."""

    def __init__(self, line: Line, image_id: str, target: Path, meter: Meter, tries: Tries | None = None) -> None:
        """Nothing is asked for yet."""
        self._line = line
        self._image_id = image_id
        self._target = target
        self._meter = meter
        self._tries = tries or Tries(line, meter.note)
        self.part = target.with_name(f"{target.name}.{image_id}.part")
        self._size = 0
        self._hash: Any = None

    def run(self) -> None:
        """Bring it all.

        Raises: NotFound, also for an image without data; ImageDamaged when the hash is wrong (nothing is kept); Unavailable
        when nothing moved for too long (what came is kept); what the service says.
        """
        image = self._tries.until_answered(lambda: self._line.show(self._image_id))
        algorithm, wanted, total = image.get("os_hash_algo"), image.get("os_hash_value"), image.get("size")
        if total is None or not wanted or not algorithm:
            raise errors.NotFound(f"Image {self._image_id} has no data yet; it is {image.get('status')}.")
        self._meter.begin(total)
        with self.part.open("ab+") as file:
            self._take_up(file, algorithm)
            while self._size < total:
                self._fetch(file, algorithm, f'"{wanted}"')
            file.flush()
            os.fsync(file.fileno())
        if self._size != total or self._hash.hexdigest() != wanted:
            self.part.unlink()
            raise ImageDamaged("What came does not have the image's hash; nothing of it is kept.")
        self.part.rename(self._target)

    def _take_up(self, file: IO[bytes], algorithm: str) -> None:
        """Hash what an earlier call left."""
        self._hash, self._size = hashlib.new(algorithm, usedforsecurity=False), 0
        file.seek(0)
        while data := file.read(PIECE):
            self._hash.update(data)
            self._size += len(data)
        self._meter.at(self._size)

    def _fetch(self, file: IO[bytes], algorithm: str, tag: str) -> None:
        """Use one connection; what it brought stays."""
        before = self._size
        try:
            self._fetch_rest(file, algorithm, tag)
        except errors.Unauthorized as error:
            self._tries.renew(error)
        except Cut as cut:
            if self._size > before:
                self._tries.moved()
            self._tries.pause(cut)
        else:
            self._tries.moved()

    def _fetch_rest(self, file: IO[bytes], algorithm: str, tag: str) -> None:
        headers = {**JSON, "Accept-Encoding": "identity"}
        if self._size:
            headers |= {"Range": f"bytes={self._size}-", "If-Range": tag}
        with self._line.connected("GET", f"/images/{self._image_id}/file", headers) as connection:
            response = answer_of(connection)
            judge(response, (200, 206))
            if response.status == 200:
                file.truncate(0)
                self._take_up(file, algorithm)
            elif not (response.getheader("Content-Range") or "").startswith(f"bytes {self._size}-"):
                raise Cut("the image service sent another part than was asked for")
            self._pour(response, file)

    def _pour(self, response: http.client.HTTPResponse, file: IO[bytes]) -> None:
        while True:
            with cut_off():
                data = response.read1(PIECE)
            if not data:
                break
            file.write(data)
            self._hash.update(data)
            self._size += len(data)
            self._meter.at(self._size)
        if response.length:
            raise Cut("the connection was cut")
