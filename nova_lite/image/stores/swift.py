"""Images as objects of OpenStack Swift: `kept/<key>` when finished, an object or the manifest of a static large one.

Its segments stay where they were sent to: `segments/<key>/<number>`, or `partial/<key>/<number>` when they came by parts. A
manifest names each with its MD5 and size, and Swift looks at them before it takes it: so whoever lost some cannot
finish, and an image that can be seen is whole. (Dynamic large objects are what a listing says at the moment, and that may
be late.) Where there are more segments than a manifest may have, it names manifests.

`alive/<key>` shows that an upload lives and who writes it, as in S3 (stores/writers.py). Only one can begin it, so for parts it
is the lock as well. Finished and half uploads are told by asking for them, never by listings alone.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from nova_lite import errors
from nova_lite.image.stores import writers
from nova_lite.image.stores.base import KEY, PARTS_AGE_S, Swept, checked, key_in
from nova_lite.image.stores.swift_api import Place, Segment, SwiftApi, translated
from nova_lite.image.stores.writers import lives, this_process

LOG = logging.getLogger(__name__)
SCHEME = "swift"
KEPT, ALIVE, SEGMENTS, PARTIAL = "kept/", "alive/", "segments/", "partial/"
BEGUN = "begun"  # an object in the folder of an upload by parts, as long as it is half
SEGMENT_BYTES = 20 << 20  # of the first 1000 segments; twice that of the next ones, and so on: 10,000 hold 1 TiB
SMALL_BYTES = 1 << 20  # of smaller segments Swift gives, after ten, one a second; so the next part is added to such a one
MOST_ENTRIES = 500  # of a manifest; Swift takes 1000 unless it is told otherwise, and asks for each within one call
ORPHAN_AGE_S = 60.0
READ_BYTES = 256 << 10
REMOVERS = 8
_held: set[str] = set()  # the signs that writers of this process hold: one that could not be removed does not count


class SwiftStore:
    """A container."""

    type = SCHEME
    read_only = False
    description = "Objects in a container of Swift"

    def __init__(self, place: Place, *, name: str = SCHEME, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Nothing connects, and no credentials are read, before the first use."""
        self.name = name
        self.segment_bytes = segment_bytes
        self.most_entries = MOST_ENTRIES
        self.api = SwiftApi(place)

    def begin(self, key: str, expected_bytes: int | None) -> SwiftWriting:
        """Start an upload. Raises: Unavailable. A container does not tell how much fits."""
        sign = Sign(self.api, checked(key))
        try:
            sign.show()
        except errors.NovaLiteError:  # it may be there although no answer came
            sign.drop()
            raise
        return SwiftWriting(self, key, sign)

    def take_up(self, key: str, missing_bytes: int | None, *, fresh: bool) -> SwiftPart | None:
        """Open a half upload, or begin one. Raises: Conflict; Unavailable."""
        begun, sign = f"{PARTIAL}{checked(key)}/{BEGUN}", Sign(self.api, key)
        if not fresh and self.api.head(begun) is None:
            return None
        sign.take()
        try:
            if fresh:
                self.api.put(begun, b"")
            elif self.api.head(begun) is None:  # finished or dropped before we had the sign
                sign.drop()
                return None
            return SwiftPart(self, key, sign, [] if fresh else list(self._came(key)))
        except errors.NovaLiteError:
            sign.drop()
            raise

    def _came(self, key: str) -> Iterator[Segment]:
        """Give the segments of a half upload up to the first that is not there.

        What a listing leaves out is asked for, and so are small ones: those are written anew, and a listing may be late.
        """
        least = min(SMALL_BYTES, self.segment_bytes)
        listed = {one.name: one for one in self.api.entries(f"{PARTIAL}{key}/") if one.size >= least}
        number = 1
        while True:
            name = _numbered(PARTIAL, key, number)
            one = listed.get(name)
            segment = Segment(name=name, size=one.size, etag=one.etag) if one else self.api.head(name)
            if segment is None:
                return
            yield segment
            number += 1

    def drop_parts(self, key: str) -> None:
        """Remove a half upload; one that is finished by now stays. May be repeated. Raises: Unavailable."""
        for name in (f"{PARTIAL}{checked(key)}/{BEGUN}", ALIVE + key):
            self.api.delete(name)
        if self.api.head(KEPT + key) is None:
            self._clear(f"{PARTIAL}{key}/")

    def is_alive(self, key: str) -> bool:
        """Whether an upload lives. Raises: Unavailable."""
        return Sign(self.api, checked(key)).is_held()

    def open(self, location: str, start: int, length: int) -> SwiftRange:
        """Open a part of an object. Raises: NotFound; Unavailable."""
        found = self.api.open(KEPT + key_in(location, self.name), start, length)
        if found is None:
            raise errors.NotFound("The image's data are not in the store.")
        return SwiftRange(*found)

    def size(self, location: str) -> int:
        """Give an object's size. Raises: NotFound; Unavailable."""
        found = self.api.head(KEPT + key_in(location, self.name))
        if found is None:
            raise errors.NotFound("The image's data are not in the store.")
        return found.size

    def delete(self, location: str) -> None:
        """Remove an object, then its segments; whoever reads beyond the present one is cut off. May be repeated.

        Raises: Unavailable.
        """
        key = key_in(location, self.name)
        self.api.delete(KEPT + key)
        for folder in (SEGMENTS, PARTIAL):
            self._clear(f"{folder}{key}/")

    def sweep(self, kept: Collection[str]) -> Swept:
        """Remove what dead writers left, and old objects that no record names. Raises: Unavailable."""
        done = []
        try:
            for name in (strays := self.list_strays(kept)):
                if self._remove(name, kept):
                    done.append(name)
        except errors.Unavailable as error:
            if not done:
                raise
            LOG.warning("Some of %d leftovers stay for now: %s", len(strays), error.message, extra={"action": "sweep"})
        orphans = sum(name.startswith(KEPT) for name in done)
        halves = tuple(name.removeprefix(PARTIAL) for name in done if name.startswith(PARTIAL))
        leftovers = len(halves) + sum(name.startswith(SEGMENTS) for name in done)
        return Swept(leftovers=leftovers, orphans=orphans, halves=halves)

    def list_strays(self, kept: Collection[str]) -> list[str]:
        """Name finished objects, uploads and signs of life that a sweep would remove. Raises: Unavailable.

        Of a half upload that a record names there is one name at most, of its segments: whoever reads it forgets the record.
        """
        finished = {one.name.removeprefix(KEPT): one.age_s for one in self.api.entries(KEPT)}
        signs = [one.name.removeprefix(ALIVE) for one in self.api.entries(ALIVE)]
        old = [key for key, age_s in finished.items() if age_s >= ORPHAN_AGE_S and f"{self.name}:{key}" not in kept]
        named = [(folder, key) for folder, keys in ((KEPT, old), (ALIVE, signs)) for key in keys if KEY.fullmatch(key)]
        dead = [folder + key for folder, key in named if key not in kept and not self.is_alive(key)]
        return dead + self._leftovers(finished, kept)

    def remove_stray(self, name: str, kept: Collection[str]) -> bool:
        """Remove one such thing; tell whether it was there and a stray still. Raises: Unavailable."""
        return name in self.list_strays(kept) and self._remove(name, kept)

    def _leftovers(self, finished: Collection[str], kept: Collection[str]) -> list[str]:
        """Name the folders of segments that belong to nothing. Looks for the writer first: what ends has finished by then."""
        keys = [
            (folder, key)
            for folder in (SEGMENTS, PARTIAL)
            for key in self.api.folders(folder)
            if KEY.fullmatch(key) and key not in finished
        ]
        dead = [(folder, key) for folder, key in keys if not self.is_alive(key) and self.api.head(KEPT + key) is None]
        return [folder + key for folder, key in dead if folder == SEGMENTS or self._is_forgotten(key, kept)]

    def _is_forgotten(self, key: str, kept: Collection[str]) -> bool:
        """Whether nothing was added to a half upload for so long that it is a stray."""
        ages = [one.age_s for one in self.api.entries(f"{PARTIAL}{key}/")]
        return bool(ages) and min(ages) >= (PARTS_AGE_S if key in kept else ORPHAN_AGE_S)

    def _remove(self, name: str, kept: Collection[str]) -> bool:
        folder, _, key = name.partition("/")
        if name.startswith(PARTIAL):
            return self._remove_half(key, kept)
        if name.startswith(KEPT):
            self.delete(f"{self.name}:{key}")
        elif name.startswith(ALIVE):
            self.api.delete(name)
        else:
            self._clear(f"{folder}/{key}/")
            self.api.delete(ALIVE + key)
        return True

    def _remove_half(self, key: str, kept: Collection[str]) -> bool:
        """Remove a half upload, unless somebody goes on with it, or has since it was listed."""
        sign = Sign(self.api, key)
        try:
            sign.take()
        except errors.Conflict:
            return False
        try:
            if self.api.head(KEPT + key) is not None or not self._is_forgotten(key, kept):
                return False
            self._clear(f"{PARTIAL}{key}/")
            return True
        finally:
            sign.drop()

    def _clear(self, folder: str) -> None:
        remove_all(self.api, [one.name for one in self.api.entries(folder)])


class Sign:
    """The sign of life of an upload, held by one writer."""

    def __init__(self, api: SwiftApi, key: str) -> None:
        """Nothing is written yet."""
        self._api = api
        self._name = ALIVE + key
        self._mark = uuid.uuid4().hex
        self._alone = False
        self._shown = 0.0

    def show(self) -> None:
        """Say that this process writes. Raises: InsufficientStorage; Unavailable."""
        _held.add(self._mark)
        self._api.put(self._name, self._body())
        self._shown = time.monotonic()

    def renew(self) -> None:
        """Say so again when the last time is long ago. Raises: as `show`; Unavailable when another one says so by now."""
        if time.monotonic() - self._shown > writers.RENEW_S:
            if self._alone:
                self.require_ours()
            self.show()

    def take(self) -> None:
        """Say so as the only one. Raises: Conflict while another one writes; InsufficientStorage; Unavailable."""
        _held.add(self._mark)
        try:
            if not self._put_first() and (self.is_held() or not self._put_anew()):
                raise errors.Conflict("Another client sends this upload at the moment.")
            self._alone, self._shown = True, time.monotonic()
        except errors.NovaLiteError:
            self.drop()
            raise

    def _put_first(self) -> bool:
        """Write it where there is none; tell whether it is ours.

        Where an answer was lost and the call sent again, it is, though it was there; and where two write at once Swift may
        let both, since its look and its writing are not one step.
        """
        self._api.put_first(self._name, self._body())
        return self._is_ours()

    def _put_anew(self) -> bool:
        self._api.delete(self._name)
        return self._put_first()

    def require_ours(self) -> None:
        """See that this writer still holds it. Raises: Unavailable, also when another one took the upload, or dropped it."""
        if not self._is_ours():
            raise errors.Unavailable("The upload was taken over, or dropped, meanwhile.", what="the image store")

    def is_held(self) -> bool:
        """Whether some writer holds it. Raises: Unavailable."""
        found = self._read()
        if found is None:
            return False
        writer, silent_s = found
        if this_process().items() <= writer.items():
            return writer.get("mark") in _held
        return lives(writer, silent_s)

    def drop(self) -> None:
        """Stop to be alive; where Swift does not hear of it, this process knows. Another's sign stays. May be repeated."""
        _held.discard(self._mark)
        try:
            if self._is_ours():
                self._api.delete(self._name)
        except errors.NovaLiteError:
            LOG.warning("A sign of an upload could not be removed; a sweep will.", extra={"action": "upload"})

    def _is_ours(self) -> bool:
        found = self._read()
        return found is not None and found[0].get("mark") == self._mark

    def _read(self) -> tuple[dict[str, Any], float] | None:
        found = self._api.read(self._name)
        return None if found is None else (orjson.loads(found[0]), found[1])

    def _body(self) -> bytes:
        return orjson.dumps({**this_process(), "mark": self._mark})


class SwiftWriting:
    """An object that grows by segments."""

    _folder = SEGMENTS

    def __init__(self, store: SwiftStore, key: str, sign: Sign, segments: Iterable[Segment] = ()) -> None:
        """Made by `SwiftStore` only."""
        self._store = store
        self._key = key
        self._sign = sign
        self._segments = list(segments)
        self._sent: list[str] = []  # also what may have come although no answer did
        self._buffer = bytearray()
        self._finalized = self._closed = False

    def append(self, data: bytes) -> None:
        """Keep bytes, and send them as a segment when there are enough. Raises: InsufficientStorage, Unavailable."""
        if self._closed:
            raise ValueError("the upload has ended")
        self._buffer += data
        self._sign.renew()
        while len(self._buffer) >= (most := self._store.segment_bytes * (1 + len(self._segments) // 1000)):
            with memoryview(self._buffer) as view:
                data = bytes(view[:most])
            self._send(data)
            del self._buffer[:most]

    def finalize(self) -> str:
        """Make the object, of its segments if there are some. Raises: InsufficientStorage, Unavailable."""
        if not self._segments:
            self._store.api.put(KEPT + self._key, bytes(self._buffer))
        else:
            if self._buffer:
                self._send(bytes(self._buffer))
                self._buffer.clear()  # before the manifest: where that is refused they are here once
            self._store.api.put_manifest(KEPT + self._key, self._grouped())
        self._finalized = True
        self._buffer.clear()
        return f"{self._store.name}:{self._key}"

    def close(self) -> None:
        """Free the segments unless they became an object, and stop to be alive. May be repeated."""
        if self._closed:
            return
        self._closed = True
        if not self._finalized:
            try:
                self._free()
            except errors.NovaLiteError:
                LOG.warning("A cut upload could not be removed; a sweep will.", extra={"action": "upload"})
        self._sign.drop()

    def _free(self) -> None:
        remove_all(self._store.api, [KEPT + self._key, *self._sent])

    def _send(self, data: bytes) -> None:
        name = _numbered(self._folder, self._key, len(self._segments) + 1)
        self._sent.append(name)
        self._segments.append(self._store.api.put(name, data))

    def _grouped(self) -> list[Segment]:
        """Give what the manifest names: the segments, or manifests of them."""
        segments, most, level = self._segments, self._store.most_entries, 0
        while len(segments) > most:
            level += 1
            groups = [segments[at : at + most] for at in range(0, len(segments), most)]
            segments = [self._group(f"{level}-{number}", group) for number, group in enumerate(groups, 1)]
        return segments

    def _group(self, name: str, segments: list[Segment]) -> Segment:
        name = f"{self._folder}{self._key}/of-{name}"
        self._sent.append(name)
        return self._store.api.put_manifest(name, segments)


class SwiftPart(SwiftWriting):
    """An object that grows by parts, each sent by another process perhaps."""

    _folder = PARTIAL

    @property
    def size(self) -> int:
        """How many bytes are here."""
        return sum(one.size for one in self._segments) + len(self._buffer)

    def reread(self, start: int) -> Iterator[bytes]:
        """Give what is here from `start` on. Raises: Unavailable."""
        for one in list(self._segments):
            if start < one.size:
                yield from self._read(one, start)
            start = max(start - one.size, 0)
        if start < len(self._buffer):
            yield bytes(self._buffer[start:])

    def _read(self, segment: Segment, start: int) -> Iterator[bytes]:
        found = self._store.api.open(segment.name, start, segment.size - start)
        if found is None or found[1] != segment.size - start:
            raise errors.Unavailable("The image store lost bytes.", what="the image store")
        opened = SwiftRange(*found)
        try:
            while data := opened.read(READ_BYTES):
                yield data
                self._sign.renew()
        finally:
            opened.close()

    def append(self, data: bytes) -> None:
        """Keep bytes, and send them when there are enough. Raises: InsufficientStorage, Unavailable."""
        last = self._segments[-1] if self._segments else None
        if last and not self._buffer and last.size < min(SMALL_BYTES, self._store.segment_bytes):
            self._buffer += b"".join(self._read(last, 0))
            self._segments.pop()  # it is there until a longer one has its name
        super().append(data)

    def finalize(self) -> str:
        """Make the object, if the upload is ours still. Raises: InsufficientStorage, Unavailable."""
        self._sign.require_ours()
        location = super().finalize()
        unused = [f"{PARTIAL}{self._key}/{BEGUN}"] + ([] if self._segments else [_numbered(PARTIAL, self._key, 1)])
        try:
            remove_all(self._store.api, unused)
        except errors.Unavailable:
            LOG.warning("What shows half an upload stays for now.", extra={"action": "upload"})
        return location

    def suspend(self) -> None:
        """Let go, and keep what came. May be repeated. Raises: InsufficientStorage, Unavailable: then its end is lost."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._buffer and not self._finalized:
                self._send(bytes(self._buffer))
        finally:
            self._sign.drop()

    def _send(self, data: bytes) -> None:
        self._sign.require_ours()
        super()._send(data)

    def _free(self) -> None:
        super()._free()
        self._store.drop_parts(self._key)


class SwiftRange:
    """A part of an object being read."""

    def __init__(self, answer: Any, length: int) -> None:
        """`answer`: what keystoneauth gives."""
        self._answer = answer
        self._pieces = answer.iter_content(READ_BYTES)
        self._rest = memoryview(b"")
        self._left = length

    def read(self, size: int = -1, /) -> bytes:
        """Give up to `size` bytes of the part, all of them without one. Raises: Unavailable when it is cut."""
        if size is not None and size >= 0:
            return self._some(size)
        return b"".join(iter(lambda: self._some(READ_BYTES), b""))

    def _some(self, size: int) -> bytes:
        wanted = min(size, self._left)
        if not wanted:
            return b""
        if not self._rest:
            with translated():
                self._rest = memoryview(next(self._pieces, b""))
        data = bytes(self._rest[:wanted])
        if not data:
            raise errors.Unavailable("The image store ended before all bytes had come.", what="the image store")
        self._rest = self._rest[wanted:]
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Let go of the connection. May be repeated."""
        self._answer.close()


def remove_all(api: SwiftApi, names: Collection[str]) -> None:
    """Remove objects, several at once: a large image has hundreds. May be repeated. Raises: Unavailable."""
    with ThreadPoolExecutor(min(REMOVERS, len(names)) or 1) as several:
        list(several.map(api.delete, names))


def _numbered(folder: str, key: str, number: int) -> str:
    return f"{folder}{key}/{number:08d}"
