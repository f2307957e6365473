"""Resizes that nobody confirmed within the window are confirmed, as their owner could have done."""

from __future__ import annotations

import logging
import uuid

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.model.ids import ProjectId, ServerId, UserId
from nova_lite.servers import moves, records
from nova_lite.workflows import resized
from nova_lite.workflows.desk import Desk

LOG = logging.getLogger(__name__)


class Confirmations:
    """Looks for what waits too long. Several conductors may do so side by side: the first one is obeyed."""

    def __init__(self, desk: Desk, window_s: int) -> None:
        """`window_s` 0: nothing is ever confirmed here."""
        self._desk = desk
        self._window_s = window_s

    def reconcile(self) -> int:
        """Confirm what waits for longer than the window; give the number."""
        if not self._window_s:
            return 0
        database = self._desk.database
        with database.read() as tx:
            waiting = moves.waiting_since(tx, database.clock.wall() - self._window_s)
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
        LOG.info("A resize is confirmed, since its window is over.", extra={"server_id": server_id})
        return True
