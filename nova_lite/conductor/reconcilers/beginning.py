"""Beginning an operation on each server that is due for one: what reconcilers have in common that wait for a time."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable

from nova_lite import errors
from nova_lite.db.engine import Database, Tx
from nova_lite.model.ids import OperationId

Begin = Callable[[Tx, str], OperationId | None]
Ring = Callable[[OperationId], None]


def begin_each(database: Database, server_ids: Iterable[str], begin: Begin, ring: Ring) -> int:
    """Call `begin` for each server in a transaction of its own; give how many operations were begun.

    A server that others were quicker with, or that is gone (Conflict, NotFound), is left alone.
    """
    begun = 0
    for server_id in server_ids:
        with contextlib.suppress(errors.Conflict, errors.NotFound):
            operation_id = database.transact(functools.partial(_in, begin, server_id))
            if operation_id is not None:
                begun += 1
                ring(operation_id)
    return begun


def _in(begin: Begin, server_id: str, tx: Tx) -> OperationId | None:
    return begin(tx, server_id)
