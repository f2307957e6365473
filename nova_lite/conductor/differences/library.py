"""All kinds of differences: finding them, and mending one with a row that says so."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable

from nova_lite.conductor.differences import images, inventory, operations, owners
from nova_lite.conductor.differences.kind import AnyKind, Difference, Kind, OutsideKind
from nova_lite.db import differences as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.image.stores.base import Store

LOG = logging.getLogger(__name__)


def of_books(*, projects_here: bool = True) -> tuple[Kind, ...]:
    """Give the kinds that the database alone shows, in the order in which they are mended.

    Where projects are an outside Keystone's (not `projects_here`), nobody here knows which are gone.
    """
    return (*operations.KINDS, *inventory.KINDS, *(owners.KINDS if projects_here else ()))


def of_store(store: Store | None, *, alone: bool = True) -> tuple[OutsideKind, ...]:
    """Give the kinds of which the image store is asked; without one none.

    Where other machines take uploads too (not `alone`), nobody here knows which of those are dead.
    """
    return () if store is None else images.kinds(store, alone=alone)


def all_kinds(store: Store | None, *, alone: bool = True, projects_here: bool = True) -> tuple[AnyKind, ...]:
    """Give every kind, in the order in which they are mended."""
    return (*of_books(projects_here=projects_here), *of_store(store, alone=alone))


def find(database: Database, kinds: Iterable[AnyKind]) -> list[tuple[AnyKind, Difference]]:
    """Look for all differences; change nothing. Raises: Unavailable."""
    found: list[tuple[AnyKind, Difference]] = []
    for kind in kinds:
        if isinstance(kind, OutsideKind):
            found += [(kind, difference) for difference in kind.look(database)]
            continue
        with database.read() as tx:
            found += [(kind, difference) for difference in kind.find(tx)]
    return found


def mend(database: Database, kind: AnyKind, seen: Difference, *, by: str) -> bool:
    """Mend a difference if it is still there, and write down that `by` did; tell whether it was mended.

    May be repeated and done by several at once: what mends looks once more, inside the transaction where one mends.
    Raises: Unavailable.
    """

    def note(tx: Tx, done: str) -> None:
        row = {"check_name": kind.name, "subject": seen.subject[:255], "problem": seen.problem, "done": done}
        queries.insert_repair(tx, row | {"repaired_by": by[:64], "repaired_at": tx.database.clock.wall()})

    def work(of: Kind, tx: Tx) -> str | None:
        still = next((one for one in of.find(tx) if one.subject == seen.subject and one.mend is not None), None)
        done = None if still is None or still.mend is None else still.mend(tx)
        if done is not None:
            note(tx, done)
        return done

    if isinstance(kind, OutsideKind):
        done = None if seen.clear is None else seen.clear(database)
        if done is not None:
            database.transact(functools.partial(note, done=done))
    else:
        done = database.transact(functools.partial(work, kind))
    if done is not None:
        extra = {"action": "repair", "check": kind.name, "subject": seen.subject}
        LOG.warning("%s %s", seen.problem, done, extra=extra)
    return done is not None
