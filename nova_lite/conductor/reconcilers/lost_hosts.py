"""Lost hosts: operations that wait for a host which has been silent too long are woken, so that they go elsewhere."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence

from nova_lite.db.engine import Database
from nova_lite.inventory.hosts import list_hosts, wake_waiting
from nova_lite.inventory.liveness import LOST_S
from nova_lite.model.host import Host
from nova_lite.model.ids import HostName

LOG = logging.getLogger(__name__)


class LostHosts:
    """Remembers which hosts it has told of, so that each loss wakes the waiting operations once."""

    def __init__(self, database: Database, tell: Callable[[Sequence[Host]], None], counted: Callable[[float], float]) -> None:
        """`tell` is given all hosts each time; `counted` says how much of a silence is the host's own."""
        self._database = database
        self._tell = tell
        self._counted = counted
        self._told: set[HostName] = set()

    def reconcile(self) -> int:
        """Look at every host; give the number of newly lost ones."""
        with self._database.read() as tx:
            hosts = list_hosts(tx)
        self._tell(hosts)
        lost = {host.name for host in hosts if self._is_lost(host)}
        new = lost - self._told
        for name in new:
            woken = self._database.transact(functools.partial(wake_waiting, name=name))
            LOG.warning("A host is lost.", extra={"host": name, "operations_woken": woken})
        self._told = set(lost)
        return len(new)

    def _is_lost(self, host: Host) -> bool:
        return host.forced_down or (host.last_seen_age_s is not None and self._counted(host.last_seen_age_s) > LOST_S)
