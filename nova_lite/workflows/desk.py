"""Where requests are accepted: the database, and the doorbell that tells a conductor at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from nova_lite.db.engine import Database, Tx
from nova_lite.model.ids import OperationId

SERVER = "server"  # the kind of subject that servers are


@dataclasses.dataclass(frozen=True, kw_only=True)
class Desk:
    """What every `accept` needs. `ring` never blocks and may lose: conductors look each second anyway.

    `reclaim_s`: for how long deleted servers are kept (conf/servers.py); 0: not at all.
    """

    database: Database
    ring: Callable[[OperationId], None]
    reclaim_s: int = 0

    def ring_after(self, tx: Tx, operation_id: OperationId) -> None:
        """Ring once the transaction is durable."""
        tx.after_commit(lambda: self.ring(operation_id))
