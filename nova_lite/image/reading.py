"""Bytes that several stores have: read at one, and where that fails, from the same byte on at the next."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterable
from typing import Any

from nova_lite import errors
from nova_lite.image.stores.base import Bytes, store_name
from nova_lite.image.stores.several import Stores

LOG = logging.getLogger(__name__)


class Reading:
    """A part of an image's bytes; fulfils `Bytes`. No byte comes twice, and none is left out, however often a store fails.

    Each place is used once; what a store says that it gives up early counts as a failure. While the place is a file, this is
    one with `fileno`, `tell` and `seek`, whose position is the image's.
    """

    def __init__(self, stores: Stores, places: Iterable[str], start: int, length: int) -> None:
        """Opens the first place that answers; the others are only asked for when one fails.

        Raises: NotFound when all say that they have none; else Unavailable.
        """
        self._stores, self._places = stores, iter(places)
        self._position, self._end = start, start + length
        self._held = contextlib.ExitStack()  # a server may still hold the number of a file that failed
        self._source: Any = self._open_next(None)
        if hasattr(self._source, "fileno"):
            self.fileno, self.tell, self.seek = self._fileno, self._tell, self._seek

    def read(self, size: int = -1, /) -> bytes:
        """Give up to `size` bytes of the part, all that are left without one. Raises: what the last store says."""
        if size is not None and size >= 0:
            return self._some(size)
        return b"".join(iter(lambda: self._some(self._end - self._position), b""))

    def close(self) -> None:
        """Let go of it. May be repeated."""
        self._held.close()

    def _some(self, size: int) -> bytes:
        wanted = min(size, self._end - self._position)
        while wanted > 0:
            try:
                data: bytes = self._source.read(wanted)
                if not data:
                    raise errors.Unavailable("The image store ended before all bytes had come.", what="the image store")
            except errors.NovaLiteError as error:
                self._source = self._open_next(error)
                continue
            self._position += len(data)
            return data
        return b""

    def _open_next(self, failed: errors.NovaLiteError | None) -> Bytes:
        """Open what is left at the next place that gives it. Raises: the reason when there is none."""
        refused = failed
        if failed is not None:
            LOG.warning("An image is read on elsewhere, if it can: %s", failed.message, extra={"action": "read"})
        for place in self._places:
            try:
                source = self._stores.open(place, self._position, self._end - self._position)
            except (errors.NotFound, errors.Unavailable) as error:
                if refused is None or isinstance(refused, errors.NotFound):
                    refused = error
                LOG.warning("Store %s does not give an image: %s", store_name(place), error.message, extra={"action": "read"})
            else:
                self._held.callback(source.close)
                return source
        raise refused or errors.NotFound("The image has no data.")

    def _fileno(self) -> int:
        """Give the number of the file. Raises: UnsupportedOperation where the present place is none."""
        if not hasattr(self._source, "fileno"):
            raise io.UnsupportedOperation("fileno")
        return int(self._source.fileno())

    def _tell(self) -> int:
        return self._position

    def _seek(self, position: int, whence: int = 0, /) -> int:
        """Go to a place behind what was sent without `read`, or back to what was read in vain. Raises: as `read`."""
        if whence != 0:
            raise io.UnsupportedOperation("only from the beginning")
        if hasattr(self._source, "seek"):
            self._source.seek(position)
        elif position != self._position:
            raise io.UnsupportedOperation("This place is no file.")
        self._position = position
        return position
