"""Differences between books and truth are mended once they have been seen twice, so never what is just under way."""

from __future__ import annotations

from collections.abc import Iterable

from nova_lite.conductor.differences import library
from nova_lite.conductor.differences.kind import AnyKind
from nova_lite.db.engine import Database

SEEN_FOR_S = 30.0


class Differences:
    """Remembers what it saw and since when. Several conductors may do so side by side."""

    def __init__(self, database: Database, kinds: Iterable[AnyKind], name: str) -> None:
        """`name` is what repairs are signed with."""
        self._database = database
        self._kinds = tuple(kind for kind in kinds if kind.repair is not None)
        self._name = name
        self._since: dict[tuple[str, str, str], float] = {}

    def reconcile(self) -> int:
        """Look at everything, mend what has been there unchanged for 30 s; give the number of what was mended."""
        now = self._database.clock.monotonic()
        found = {(kind.name, one.subject, one.problem): (kind, one) for kind, one in library.find(self._database, self._kinds)}
        self._since = {key: self._since.get(key, now) for key in found}
        old = [key for key, since in self._since.items() if now - since >= SEEN_FOR_S and found[key][1].is_mendable]
        return sum(library.mend(self._database, *found[key], by=self._name) for key in old)
