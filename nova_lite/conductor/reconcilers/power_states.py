"""What hosts see against what servers' rows say, where no operation is changing them: power states, and who is there at all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from nova_lite.db import differences
from nova_lite.db import hosts as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.inventory import hosts
from nova_lite.model.guest import GuestState, PowerState
from nova_lite.model.host import Look
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.server import ServerState
from nova_lite.servers import records

LOG = logging.getLogger(__name__)
# A message may have been under way while an operation settled the row: only rows at rest for this long are compared.
REST_S = {"heartbeat": 20.0, "event": 5.0}
MISSED_S = 10.0  # how long a guest must be missed, less than the time between two heartbeats
ENDED_S = 60.0  # a server that ended since may still be in a list that was under way
SETTLED = {
    PowerState.RUNNING: ServerState.ACTIVE,
    PowerState.SHUTDOWN: ServerState.STOPPED,
    PowerState.CRASHED: ServerState.STOPPED,
    PowerState.PAUSED: ServerState.PAUSED,
    PowerState.SUSPENDED: ServerState.SUSPENDED,
    PowerState.NOSTATE: ServerState.STOPPED,  # no such guest: nothing runs, and nothing is made anew silently
}
MENDED = (ServerState.ACTIVE, ServerState.STOPPED, ServerState.PAUSED)


class PowerStates:
    """Mends the rows of servers whose guests changed their power by themselves, or are gone; writes strange guests down."""

    def __init__(self, database: Database) -> None:
        """Reads and writes through `database`."""
        self._database = database
        self._lock = threading.Lock()
        self._missed: dict[tuple[HostName, str], float] = {}

    def compare(
        self, host: HostName, guests: Sequence[GuestState], look: Look | None = None, *, starting: bool = False
    ) -> None:
        """Compare all guests that a host sees with the rows of its servers, while `look` is the newest. May be repeated.

        A guest that is not there is believed gone when the host says so twice, or when it is `starting`: a heartbeat may
        have been under way for long.
        """
        seen = {guest.server_id: guest.power_state for guest in guests}
        with self._database.read() as tx:
            rows = queries.servers_on(tx, host)
        for row in rows:
            power = seen.get(row["id"])
            if power not in (None, PowerState.NOSTATE, row["power_state"]):
                self._mend(host, row["id"], power, "heartbeat", look)
        lost = [row["id"] for row in rows if row["id"] not in seen and row["power_state"] != PowerState.NOSTATE]
        for server_id in self._believed_lost(host, lost, starting=starting):
            self._mend(host, server_id, PowerState.NOSTATE, "heartbeat", look)
        self._note_strangers(host, set(seen) - {row["id"] for row in rows})

    def changed(self, host: HostName, server_id: ServerId, power: PowerState, look: Look | None = None) -> None:
        """Take one change that a host told of, while `look` is the newest. May be repeated."""
        if power is not PowerState.NOSTATE:  # not known just now; a guest that is gone is missing in the lists
            self._mend(host, server_id, power, "event", look)

    def _believed_lost(self, host: HostName, lost: list[str], *, starting: bool) -> list[ServerId]:
        """Give those that have been missed for a while, and remember the others."""
        now = self._database.clock.monotonic()
        with self._lock:
            before = {key: since for key, since in self._missed.items() if key[0] == host}
            for key in before:
                del self._missed[key]
            self._missed |= {(host, one): before.get((host, one), now) for one in lost}
            return [ServerId(one) for one in lost if starting or now - self._missed[host, one] >= MISSED_S]

    def _note_strangers(self, host: HostName, candidates: set[str]) -> None:
        """Write down which guests no record explains: they are said to operators, and left alone."""
        wall = self._database.clock.wall()
        with self._database.read() as tx:
            known = {str(row["server_id"]) for row in differences.select_strangers(tx, host)}
            if not known and not candidates:
                return
            strange = candidates - differences.explained_guests(tx, host, candidates, ENDED_S)
        gone, fresh = known - strange, strange - known
        if gone or fresh:
            self._database.transact(lambda tx: differences.replace_strangers(tx, host, gone, fresh, wall))
        for server_id in fresh:
            LOG.warning("A host has a guest that no record explains.", extra={"host": host, "server_id": server_id})

    def _mend(self, host: HostName, server_id: ServerId, power: PowerState, source: str, look: Look | None) -> None:
        def mend(tx: Tx) -> bool:
            return _is_newest(tx, host, server_id, look) and _mend(tx, host, server_id, power, REST_S[source])

        if self._database.transact(mend):
            said = (
                "A host does not have a server's guest."
                if power is PowerState.NOSTATE
                else "A guest changed its power by itself."
            )
            LOG.info(said, extra={"server_id": server_id, "power_state": power.name})


def _is_newest(tx: Tx, host: HostName, server_id: ServerId, look: Look | None) -> bool:
    """Whether nothing newer is known of a server: no later look, and no report that its row has been settled by.

    A later look may have come since the message was taken: its handler may have been stopped for long.
    """
    if look is None:
        return True
    if hosts.age_of(tx, host, look) is not hosts.Age.NEW:
        return False
    return look.number is None or queries.reported_look(tx, server_id, look.incarnation) <= look.number


def _mend(tx: Tx, host: HostName, server_id: ServerId, power: PowerState, rest_s: float) -> bool:
    row = next((row for row in queries.servers_on(tx, host) if row["id"] == server_id), None)
    if row is None or row["power_state"] == power:
        return False
    if row["rests_s"] is not None and 0 <= row["rests_s"] < rest_s:
        return False
    state = SETTLED.get(power)
    resumed = row["state"] == ServerState.SUSPENDED and power is PowerState.RUNNING  # its memory is used up
    if row["state"] not in MENDED and not resumed:
        records.update(tx, server_id, power_state=power)  # rescued, in error...: such a state is not of the guest's making
        return True
    if state is None:
        return False
    records.update(tx, server_id, state=state, power_state=power)
    return True
