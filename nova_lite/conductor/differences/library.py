"""All kinds of differences: finding them, and mending one with a row that says so."""

from __future__ import annotations

import logging

from nova_lite.conductor.differences import images, inventory, operations, owners
from nova_lite.conductor.differences.kind import Difference, Kind
from nova_lite.db import differences as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.image.stores.base import Store

LOG = logging.getLogger(__name__)


def all_kinds(store: Store | None, *, alone: bool = True, projects_here: bool = True) -> tuple[Kind, ...]:
    """Give every kind, in the order in which they are mended; without a store none of images.

    Where other machines take uploads too (not `alone`), nobody here knows which of those are dead.
    Where projects are an outside Keystone's (not `projects_here`), nobody here knows which are gone.
    """
    of_owners = owners.KINDS if projects_here else ()
    return (*operations.KINDS, *inventory.KINDS, *of_owners, *(images.kinds(store, alone=alone) if store is not None else ()))


def find(database: Database, kinds: tuple[Kind, ...]) -> list[tuple[Kind, Difference]]:
    """Look for all differences; change nothing. Raises: Unavailable."""
    found: list[tuple[Kind, Difference]] = []
    for kind in kinds:
        with database.read() as tx:
            found += [(kind, difference) for difference in kind.find(tx)]
    return found


def mend(database: Database, kind: Kind, seen: Difference, *, by: str) -> bool:
    """Mend a difference if it is still there, and write down that `by` did; tell whether it was mended.

    It is looked for anew inside the transaction that mends it, so it may be repeated and done by several at once.
    Raises: Unavailable.
    """

    def work(tx: Tx) -> str | None:
        still = next((one for one in kind.find(tx) if one.subject == seen.subject and one.mend is not None), None)
        done = None if still is None or still.mend is None else still.mend(tx)
        if done is not None:
            row = {"check_name": kind.name, "subject": seen.subject[:255], "problem": seen.problem, "done": done}
            queries.insert_repair(tx, row | {"repaired_by": by[:64], "repaired_at": tx.database.clock.wall()})
        return done

    done = database.transact(work)
    if done is not None:
        extra = {"action": "repair", "check": kind.name, "subject": seen.subject}
        LOG.warning("%s %s", seen.problem, done, extra=extra)
    return done is not None
