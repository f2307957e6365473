"""What a store of image bytes does: the one contract that every backend keeps and `tests/unit/image/stores` checks.

A *key* names one upload of one image, `<image id>.<upload id>`, and is never used twice, so nothing is ever overwritten.
A *location* is what a store calls finished bytes, `<store's name>:<what the store likes>`; it is kept in the image's record
and never shown to users.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Collection, Iterator
from typing import Protocol, runtime_checkable

from nova_lite import errors

PARTS_AGE_S = 24 * 3600.0  # a half upload waits a day for its client: over the night, not over the holidays
FRESH_S = 10.0  # finished bytes without a record stay for longer (ORPHAN_AGE_S of each store)
KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def key_of(image_id: str, upload_id: str) -> str:
    """Name an upload."""
    return f"{image_id}.{upload_id}"


def checked(key: str) -> str:
    """Give a key back. Raises: ValueError for what is none, which is ours to mend: users say no part of a key."""
    if not KEY.fullmatch(key):
        raise ValueError("not a key")
    return key


def key_in(location: str, name: str) -> str:
    """Give the key of bytes in the store `name`, whose locations are `name:key`. Raises: NotFound for any other location."""
    store, _, key = location.partition(":")
    if store != name or not KEY.fullmatch(key):
        raise errors.NotFound("The image's data are in another store.")
    return key


def store_name(location: str) -> str:
    """Give the name of the store that has a location."""
    return location.partition(":")[0]


class Writing(Protocol):
    """Bytes on their way into a store. Nobody sees them before `finalize`."""

    def append(self, data: bytes) -> None:
        """Add bytes at the end.

        Raises: InsufficientStorage when the store is full; Unavailable when it does not answer.
        """

    def finalize(self) -> str:
        """Make all bytes durable, then visible; give the location. Raises: as `append`; then nothing is visible."""

    def close(self) -> None:
        """End: what was not finalized is gone and its space free. May be repeated."""


class PartWriting(Writing, Protocol):
    """Bytes that come by parts. `close` removes them; `suspend` leaves them for the next part. A killed writer suspends."""

    size: int

    def reread(self, start: int) -> Iterator[bytes]:
        """Give the bytes from `start` on that are here already. Raises: Unavailable."""

    def suspend(self) -> None:
        """End this part and keep what came. May be repeated; nothing after `close` or `finalize`.

        Raises: InsufficientStorage, Unavailable when what came last could not be kept.
        """


class Bytes(Protocol):
    """A part of finished bytes being read. With `fileno` and `tell` it can go by sendfile."""

    def read(self, size: int = -1, /) -> bytes:
        """Give up to `size` bytes; none at the end of the part."""

    def close(self) -> None:
        """Let go of it. May be repeated."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep removed."""

    leftovers: int = 0  # uploads whose process is gone
    orphans: int = 0  # finished bytes that no record names
    halves: tuple[str, ...] = ()  # keys of half uploads, which are leftovers too


class Kept(Collection[str]):
    """What records name: read at the first look, which is after a store was listed, and anew while a sweep goes on.

    So a store that is slow makes nobody take for nameless what was finished and recorded meanwhile.
    """

    def __init__(self, read: Callable[[], Collection[str]]) -> None:
        """Nothing is read yet."""
        self._read = read
        self._names: Collection[str] = ()
        self._until = 0.0

    def _now(self) -> Collection[str]:
        if time.monotonic() >= self._until:
            until = time.monotonic() + FRESH_S  # counted from before the reading
            self._names, self._until = self._read(), until
        return self._names

    def __contains__(self, name: object) -> bool:
        """Whether a record names it by now."""
        return name in self._now()

    def __iter__(self) -> Iterator[str]:
        """Give all names."""
        return iter(self._now())

    def __len__(self) -> int:
        """Count them."""
        return len(self._now())


class Store(Protocol):
    """A place for bytes. `name` is its id in the API, and what its locations begin with; `type` tells how it keeps them.

    read_only: bytes are referred to where they lie; none come in
    """

    name: str
    type: str
    read_only: bool
    description: str

    def begin(self, key: str, expected_bytes: int | None) -> Writing:
        """Start an upload; `expected_bytes` lets it be refused before it is sent.

        Raises: InsufficientStorage; Unavailable.
        """

    def is_alive(self, key: str) -> bool:
        """Whether some process still writes an upload (or has finalized it and not yet closed it). Raises: Unavailable."""

    def open(self, location: str, start: int, length: int) -> Bytes:
        """Open `length` bytes from `start` on. Raises: NotFound when they are gone; Unavailable."""

    def size(self, location: str) -> int:
        """Give the number of bytes. Raises: NotFound; Unavailable."""

    def delete(self, location: str) -> None:
        """Free the space; whoever reads it already reads on, of large objects of Swift no further than the present segment.

        May be repeated. Raises: Unavailable.
        """

    def list_strays(self, kept: Collection[str]) -> list[str]:
        """Name what a sweep would remove by now. Raises: Unavailable."""

    def remove_stray(self, name: str, kept: Collection[str]) -> bool:
        """Remove one of those that `list_strays` names, if it is still one; tell whether. Raises: Unavailable."""

    def sweep(self, kept: Collection[str]) -> Swept:
        """Remove what dead processes left behind, and finished bytes that no location in `kept` names.

        `kept` has locations, and the keys of half uploads. A store first lists what it holds, then looks into it (`Kept`).
        """


@runtime_checkable
class LendingStore(Protocol):
    """A store whose bytes others may use where they lie, by clones that cannot be without them. It deletes none of those."""

    def require_unused(self, location: str) -> None:
        """Do nothing unless something stands on the bytes. Raises: Conflict; NotFound; Unavailable."""

    def url_of(self, location: str) -> str:
        """Give the URL by which others use the bytes. Raises: NotFound; Unavailable."""


@runtime_checkable
class PartStore(Protocol):
    """A store that can keep half an upload; one that cannot takes uploads whole only.

    `list_strays` and `sweep` take a half upload whose key is not in `kept`, and others to which nothing was added for
    `PARTS_AGE_S`.
    """

    def take_up(self, key: str, missing_bytes: int | None, *, fresh: bool) -> PartWriting | None:
        """Open a half upload for the next part, or with `fresh` a new one; None where there is none.

        missing_bytes: as `expected_bytes` of `Store.begin`, beyond what is here.
        Raises: Conflict while somebody else holds it; InsufficientStorage; Unavailable.
        """

    def drop_parts(self, key: str) -> None:
        """Remove a half upload; whoever adds to it notices at the end. May be repeated. Raises: Unavailable."""
