"""Shelved servers that have stayed on their hosts for as long as the operator wants leave them."""

from __future__ import annotations

import logging

from nova_lite.conductor.reconcilers.beginning import Ring, begin_each
from nova_lite.db import servers as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.model.ids import OperationId
from nova_lite.servers import records
from nova_lite.workflows import shelve

LOG = logging.getLogger(__name__)
AT_ONCE = 100


class Offloading:
    """Begins the offload of each server whose time is over. Doing it twice, or on two conductors at once, does no harm."""

    def __init__(self, database: Database, offload_s: int, ring: Ring) -> None:
        """`offload_s` as `ShelvingOptions` has it."""
        self._database = database
        self._offload_s = offload_s
        self._ring = ring

    def reconcile(self) -> int:
        """Begin what is due; give how many."""
        if self._offload_s < 0:
            return 0
        before = self._database.clock.wall() - self._offload_s
        with self._database.read() as tx:
            due = queries.shelved_before(tx, before, AT_ONCE)
        return begin_each(self._database, due, _begin, self._ring)


def _begin(tx: Tx, server_id: str) -> OperationId | None:
    LOG.info("A shelved server leaves its host.", extra={"server_id": server_id, "action": "shelve_offload"})
    return shelve.begin_offload(tx, records.get(tx, server_id))
