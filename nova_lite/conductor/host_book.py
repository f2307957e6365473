"""What steps ask of hosts, read from the database each time: a stale incarnation would only be refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from nova_lite.db.engine import Database
from nova_lite.inventory import death, hosts
from nova_lite.inventory.liveness import LOST_S
from nova_lite.model.host import Host
from nova_lite.model.ids import HostName, ServerId
from nova_lite.workflows.ports import HostStanding


def always() -> float:
    """Say that hosts could be heard at any time."""
    return math.inf


class HostBook:
    """The HostsPort of workflows, over the inventory."""

    def __init__(self, database: Database, heard_for_s: Callable[[], float] = always) -> None:
        """`heard_for_s` gives for how many seconds hosts could have been heard: no silence counts for longer."""
        self._database = database
        self._heard_for_s = heard_for_s
        self._silences: dict[HostName, float] = {}
        self._failing: frozenset[HostName] = frozenset()

    def look(self, host: HostName) -> HostStanding | None:
        """Read how a host stands now; None for one that was removed or never registered."""
        with self._database.read() as tx:
            found = hosts.find_sign_of_life(tx, host)
        if found is None:
            return None
        silent = found.age_s is None or self.counted(found.age_s) > LOST_S
        dead = death.is_proven(found)
        return HostStanding(incarnation=found.incarnation, up=found.up, lost=dead or silent, dead=dead)

    def counted(self, silence_s: float) -> float:
        """Give how much of a host's silence is its own; the rest is the broker's."""
        return min(silence_s, self.heard_for_s())

    def heard_for_s(self) -> float:
        """Give for how many seconds hosts could have been heard."""
        return self._heard_for_s()

    def silence_of(self, host: HostName) -> float:
        """Give the seconds since the last contact with a host whose heartbeat is overdue, else 0 (such waits cost no time).

        As of the last `remember`: this is asked at every wait, and a few seconds more or less change nothing.
        """
        return self._silences.get(host, 0.0)

    def has_failed(self, host: HostName) -> bool:
        """Whether builds failed there since the last good one, as of the last `remember`: a good build asks no database."""
        return host in self._failing

    def remember(self, hosts: Sequence[Host]) -> None:
        """Take note of which hosts are silent, and where builds failed."""
        self._failing = frozenset(host.name for host in hosts if host.failed_in_row)
        self._silences = {host.name: host.last_seen_age_s for host in hosts if not host.up and host.last_seen_age_s is not None}

    def owe_removal(self, host: HostName, server_id: ServerId, *, fence: int, turn: int) -> None:
        """Leave a tombstone that the host obeys when it returns. May be repeated."""
        self._database.transact(lambda tx: hosts.owe_removal(tx, host, server_id, fence=fence, turn=turn))
