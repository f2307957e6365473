"""Several stores as one. A location names its store; what is begun goes to the default one, unless another is preferred."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from nova_lite import errors
from nova_lite.image.stores.base import Bytes, LendingStore, PartStore, PartWriting, Store, Swept, Writing, store_name
from nova_lite.image.stores.http import Referring, http_store

LOG = logging.getLogger(__name__)


class Stores:
    """Fulfils `Store`. `name` and `description` are the default store's."""

    read_only = False

    def __init__(self, stores: Sequence[Store], default: Store | None = None) -> None:
        """The default is the first one; at least one, each with a name of its own."""
        self._stores = tuple(stores)
        self.default = default or self._stores[0]
        self.name, self.type, self.description = self.default.name, self.default.type, self.default.description

    def all(self) -> tuple[Store, ...]:
        """Give each store, as they are configured."""
        return self._stores

    def writable(self) -> tuple[str, ...]:
        """Name the stores that take bytes."""
        return tuple(store.name for store in self._stores if not store.read_only)

    def find(self, name: str) -> Store | None:
        """Give the store of a name."""
        return next((store for store in self._stores if store.name == name), None)

    def preferring(self, name: str | None) -> Stores:
        """Give the same stores with another one for what is begun. Raises: NotFound when there is none of this name."""
        if name is None:
            return self
        chosen = self.find(name)
        if chosen is None:
            raise errors.NotFound(f"There is no store {name[:64]}; see /v2/info/stores.")
        return Stores(self._stores, chosen)

    def referring(self, url: str) -> Stores:
        """Give the same stores with what is begun staying at a URL. Raises: NotFound without a store for that; BadRequest."""
        store = http_store(self._stores)
        if store is None:
            raise errors.NotFound("No store keeps what lies on a web server.")
        return Stores(self._stores, Referring(store.location_of(url), self.default))

    def begin(self, key: str, expected_bytes: int | None) -> Writing:
        """Start an upload to the default store. Raises: InsufficientStorage; Unavailable."""
        return self.default.begin(key, expected_bytes)

    def take_up(self, key: str, missing_bytes: int | None, *, fresh: bool) -> PartWriting | None:
        """Open a half upload of the default store, or begin one. Raises: BadRequest where it keeps none; as a `PartStore`."""
        if not isinstance(self.default, PartStore):
            raise errors.BadRequest("The image store takes uploads whole only; send it without Content-Range.")
        return self.default.take_up(key, missing_bytes, fresh=fresh)

    def drop_parts(self, key: str) -> None:
        """Remove a half upload from whichever store has it. May be repeated.

        Raises: Unavailable when a store is away, once all others were asked.
        """
        away: errors.Unavailable | None = None
        for store in self._stores:
            if isinstance(store, PartStore):
                try:
                    store.drop_parts(key)
                except errors.Unavailable as error:
                    away = error
        if away is not None:
            raise away

    def is_alive(self, key: str) -> bool:
        """Whether an upload lives in any store. Raises: Unavailable when none says so and one cannot be asked."""
        away: errors.Unavailable | None = None
        for store in self._stores:
            try:
                if store.is_alive(key):
                    return True
            except errors.Unavailable as error:
                away = error
        if away is not None:
            raise away
        return False

    def open(self, location: str, start: int, length: int) -> Bytes:
        """Open a part. Raises: NotFound, also for a store that is not configured; Unavailable."""
        return self._of(location).open(location, start, length)

    def size(self, location: str) -> int:
        """Give the number of bytes. Raises: as `open`."""
        return self._of(location).size(location)

    def delete(self, location: str) -> None:
        """Free the space. May be repeated. Raises: as `open`."""
        self._of(location).delete(location)

    def lends(self) -> bool:
        """Whether any store's bytes may be in use by others."""
        return any(isinstance(store, LendingStore) for store in self._stores)

    def require_unused(self, locations: Collection[str]) -> None:
        """Do nothing unless something stands on some bytes. One that is away is not waited for: it deletes none in use.

        Raises: Conflict.
        """
        for location in locations:
            store = self.find(store_name(location))
            if isinstance(store, LendingStore):
                try:
                    store.require_unused(location)
                except (errors.NotFound, errors.Unavailable) as error:
                    LOG.warning("Nobody knows whether bytes are in use: %s", error.message, extra={"action": "delete"})

    def list_strays(self, kept: Collection[str]) -> list[str]:
        """Name what a sweep would remove, each after its store; a store that is away is left out."""
        return [f"{store.name}/{name}" for store in self._stores for name in _strays(store, kept)]

    def remove_stray(self, name: str, kept: Collection[str]) -> bool:
        """Remove one of those. Raises: Unavailable."""
        of, _, rest = name.partition("/")
        store = self.find(of)
        return store is not None and store.remove_stray(rest, kept)

    def sweep(self, kept: Collection[str]) -> Swept:
        """Sweep each store; one that is away is left for another time."""
        done = []
        for store in self._stores:
            try:
                done.append(store.sweep(kept))
            except errors.Unavailable as error:
                LOG.warning("Store %s is not swept now: %s", store.name, error.message, extra={"action": "sweep"})
        halves = tuple(key for one in done for key in one.halves)
        return Swept(leftovers=sum(one.leftovers for one in done), orphans=sum(one.orphans for one in done), halves=halves)

    def _of(self, location: str) -> Store:
        store = self.find(store_name(location))
        if store is None:
            raise errors.NotFound("The image's data are in a store that is not configured.")
        return store


def several(store: Store) -> Stores:
    """Give a store as several, if it is not that already."""
    return store if isinstance(store, Stores) else Stores((store,))


def _strays(store: Store, kept: Collection[str]) -> list[str]:
    try:
        return store.list_strays(kept)
    except errors.Unavailable as error:
        LOG.warning("Nobody knows what store %s holds now: %s", store.name, error.message, extra={"action": "sweep"})
        return []
