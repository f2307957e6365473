"""Images that stay on web servers: nothing is written, and nothing is deleted; a location is `<store's name>:<URL>`.

Which servers may be asked is decided anew at each reading, by the rules of web downloads (image/web.py).
"""

from __future__ import annotations

from collections.abc import Collection

from nova_lite import errors
from nova_lite.conf.image import WebRules
from nova_lite.image import web
from nova_lite.image.stores.base import Store, Swept, Writing, store_name

TYPE = "http"
LONGEST_LOCATION = 512  # as the records keep them
SKIP_PIECE = 1 << 20


class HttpStore:
    """Files of web servers."""

    type = TYPE
    read_only = True
    description = "Files of web servers, which stay there"

    def __init__(self, rules: WebRules, *, name: str = TYPE, resolve: web.Resolve = web.resolve) -> None:
        """Nothing is asked before the first use."""
        self.name = name
        self._rules = rules
        self._resolve = resolve

    def location_of(self, url: str) -> str:
        """Give the location of a URL. Raises: BadRequest for one that may not be asked, or is too long."""
        web.check_url(url, self._rules)
        location = f"{self.name}:{url}"
        if len(location) > LONGEST_LOCATION:
            raise errors.BadRequest(
                f"The URL is too long: at most {LONGEST_LOCATION - len(self.name) - 1} characters are kept."
            )
        return location

    def begin(self, key: str, expected_bytes: int | None) -> Writing:
        """Refuse. Raises: Forbidden."""
        raise errors.Forbidden(f"Store {self.name} takes no data; they stay where they are.")

    def is_alive(self, key: str) -> bool:
        """Say that nobody writes."""
        return False

    def open(self, location: str, start: int, length: int) -> HttpRange:
        """Open a part. Raises: NotFound when the server does not have it or may not be asked; Unavailable."""
        file = self._ask(location, start, length)
        return HttpRange(file, 0 if file.partial else start, length)

    def size(self, location: str) -> int:
        """Give the number of bytes. Raises: as `open`; Unavailable when the server does not say it."""
        file = self._ask(location, 0, 1)
        file.close()
        if file.total is None:
            raise errors.Unavailable("The web server does not tell how long the file is.", what="the web server")
        return file.total

    def delete(self, location: str) -> None:
        """Leave the file where it is: it is not ours."""

    def list_strays(self, kept: Collection[str]) -> list[str]:
        """Name nothing."""
        return []

    def remove_stray(self, name: str, kept: Collection[str]) -> bool:
        """Remove nothing."""
        return False

    def sweep(self, kept: Collection[str]) -> Swept:
        """Remove nothing."""
        return Swept()

    def _ask(self, location: str, start: int, length: int) -> web.WebFile:
        name, _, url = location.partition(":")
        if name != self.name or not url:
            raise errors.NotFound("The image's data are in another store.")
        try:
            return web.open_web(url, self._rules, self._resolve, part=(start, max(length, 1)))
        except (errors.BadRequest, errors.TooLarge) as error:
            raise errors.NotFound(f"The image's data cannot be had from their web server: {error.message}") from error


class HttpRange:
    """A part of a file on a web server."""

    def __init__(self, file: web.WebFile, skip: int, length: int) -> None:
        """`skip`: bytes before the part, where the server sends all. Raises: Unavailable."""
        self._file = file
        self._left = length
        try:
            while skip and (data := file.read(min(skip, SKIP_PIECE))):
                skip -= len(data)
        except errors.NovaLiteError:
            file.close()
            raise

    def read(self, size: int = -1, /) -> bytes:
        """Give up to `size` bytes of the part, all of them without one. Raises: Unavailable when the server is gone."""
        if size is not None and size >= 0:
            return self._some(size)
        pieces = []
        while data := self._some(SKIP_PIECE):
            pieces.append(data)
        return b"".join(pieces)

    def _some(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left)) if self._left and size else b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Let go of the connection. May be repeated."""
        self._file.close()


class Referring(HttpStore):
    """The same store for one URL: what is begun is compared with nothing and kept nowhere, only its location is given.

    The bytes go by so that they are hashed and inspected. Another store's lock shows that this lives.
    """

    read_only = False

    def __init__(self, location: str, lock: Store) -> None:
        """`lock`: a store that takes bytes."""
        super().__init__(WebRules(public=False), name=store_name(location))
        self._location, self._lock = location, lock

    def begin(self, key: str, expected_bytes: int | None) -> Writing:
        """Begin to hear of the bytes. Raises: Unavailable; InsufficientStorage."""
        return _Reference(self._location, self._lock.begin(key, None))


class _Reference:
    """Bytes that go by."""

    def __init__(self, location: str, lock: Writing) -> None:
        self._location = location
        self._lock = lock

    def append(self, data: bytes) -> None:
        """Keep nothing."""

    def finalize(self) -> str:
        """Give the location."""
        return self._location

    def close(self) -> None:
        """Let go of the lock."""
        self._lock.close()


def http_store(stores: Collection[Store]) -> HttpStore | None:
    """Give the store of web servers' files, if one is configured."""
    return next((store for store in stores if isinstance(store, HttpStore)), None)
