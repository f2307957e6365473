"""Deleted servers that were kept for as long as the operator wants are deleted for good."""

from __future__ import annotations

import logging

from nova_lite.conductor.reconcilers.beginning import Ring, begin_each
from nova_lite.db import servers as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.model.ids import OperationId
from nova_lite.model.server import ServerState
from nova_lite.servers import records
from nova_lite.workflows import delete

LOG = logging.getLogger(__name__)
AT_ONCE = 100


class Reclaim:
    """Begins the delete of each server whose time is over. Doing it twice, or on two conductors at once, does no harm."""

    def __init__(self, database: Database, reclaim_s: int, ring: Ring) -> None:
        """`reclaim_s`: how long they are kept; 0: none are, and those that were kept before stay until they are deleted."""
        self._database = database
        self._reclaim_s = reclaim_s
        self._ring = ring

    def reconcile(self) -> int:
        """Begin what is due; give how many."""
        if not self._reclaim_s:
            return 0
        before = self._database.clock.wall() - self._reclaim_s
        with self._database.read() as tx:
            due = queries.soft_deleted_before(tx, before, AT_ONCE)
        return begin_each(self._database, due, _begin, self._ring)


def _begin(tx: Tx, server_id: str) -> OperationId | None:
    server = records.get(tx, server_id)
    if server.state is not ServerState.SOFT_DELETED or server.live is not None:
        return None
    LOG.info("A deleted server is removed for good.", extra={"server_id": server_id, "action": "reclaim"})
    return delete.begin(tx, server, user_id=None, request_id=None)
