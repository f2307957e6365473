"""Power states: what hosts see against what servers' rows say, where no operation is changing them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from nova_lite.db import hosts as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.model.guest import GuestState, PowerState
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.server import ServerState
from nova_lite.servers import records

LOG = logging.getLogger(__name__)
# A message may have been under way while an operation settled the row: only rows at rest for this long are compared.
REST_S = {"heartbeat": 20.0, "event": 5.0}
SETTLED = {
    PowerState.RUNNING: ServerState.ACTIVE,
    PowerState.SHUTDOWN: ServerState.STOPPED,
    PowerState.CRASHED: ServerState.STOPPED,
    PowerState.PAUSED: ServerState.PAUSED,
}
MENDED = (ServerState.ACTIVE, ServerState.STOPPED, ServerState.PAUSED)


class PowerStates:
    """Mends the rows of servers whose guests changed their power by themselves."""

    def __init__(self, database: Database) -> None:
        """Reads and writes through `database`."""
        self._database = database

    def compare(self, host: HostName, guests: Sequence[GuestState]) -> None:
        """Compare all guests that a host sees with the rows of its servers. May be repeated."""
        seen = {guest.server_id: guest.power_state for guest in guests}
        with self._database.read() as tx:
            rows = queries.servers_on(tx, host)
        for row in rows:
            power = seen.get(row["id"])
            if power is not None and power != row["power_state"]:
                self._mend(host, row["id"], power, "heartbeat")

    def changed(self, host: HostName, server_id: ServerId, power: PowerState) -> None:
        """Take one change that a host told of. May be repeated."""
        self._mend(host, server_id, power, "event")

    def _mend(self, host: HostName, server_id: ServerId, power: PowerState, source: str) -> None:
        if self._database.transact(lambda tx: _mend(tx, host, server_id, power, REST_S[source])):
            LOG.info("A guest changed its power by itself.", extra={"server_id": server_id, "power_state": power.name})


def _mend(tx: Tx, host: HostName, server_id: ServerId, power: PowerState, rest_s: float) -> bool:
    row = next((row for row in queries.servers_on(tx, host) if row["id"] == server_id), None)
    if row is None or row["state"] not in MENDED or row["power_state"] == power:
        return False
    if row["rests_s"] is not None and 0 <= row["rests_s"] < rest_s:
        return False
    state = SETTLED.get(power)
    if state is None:
        return False
    records.update(tx, server_id, state=state, power_state=power)
    return True
