"""Resizes that nobody confirmed within the window are confirmed, as their owner could have done.

So are the cold moves of a host that was drained, at once: nobody asked for them who could confirm them.
"""

from __future__ import annotations

import logging
import uuid

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.model.ids import ProjectId, ServerId, UserId
from nova_lite.model.migration import DRAIN
from nova_lite.servers import moves, records
from nova_lite.workflows import resized
from nova_lite.workflows.desk import Desk

LOG = logging.getLogger(__name__)


class Confirmations:
    """Looks for what waits too long. Several conductors may do so side by side: the first one is obeyed."""

    def __init__(self, desk: Desk, window_s: int) -> None:
        """`window_s` 0: nothing that a user asked for is ever confirmed here."""
        self._desk = desk
        self._window_s = window_s

    def reconcile(self) -> int:
        """Confirm what waits for longer than the window; give the number."""
        database = self._desk.database
        now = database.clock.wall()
        with database.read() as tx:
            waiting = moves.waiting_since(tx, now, user_id=DRAIN)
            if self._window_s:
                waiting = tuple(dict.fromkeys((*waiting, *moves.waiting_since(tx, now - self._window_s))))
        return sum(self._confirm(server_id) for server_id in waiting)

    def _confirm(self, server_id: ServerId) -> bool:
        with self._desk.database.read() as tx:
            server = records.get(tx, server_id, include_deleted=True)
        context = Context(
            request_id=f"req-{uuid.uuid4()}",
            user_id=UserId(server.user_id),
            project_id=ProjectId(server.project_id),
            roles=frozenset(),
        )
        try:
            resized.accept_confirm(self._desk, context, server_id)
        except (errors.Conflict, errors.NotFound):
            return False  # somebody else was first
        LOG.info("A move is confirmed, since nobody else has to.", extra={"server_id": server_id})
        return True
