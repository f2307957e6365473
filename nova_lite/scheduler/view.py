"""Hosts in memory: read whole about once a second, and told at once what this scheduler has just handed out.

A view may be a second old: the claim is what decides (inventory/claims.py). Only a refusal is not told from an old view:
a host that came, or was put into a zone or an aggregate, just before the request is seen by it.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence

from nova_lite import errors
from nova_lite.clock import Clock
from nova_lite.model.host import Host
from nova_lite.model.ids import HostName
from nova_lite.model.placement import PlacementRequest, Ranking
from nova_lite.scheduler.crowd import Crowd
from nova_lite.scheduler.pick import pick_of

FRESH_S = 1.0
USABLE_S = 10.0  # without the database a ranking is still given from a view this old


class HostView:
    """The hosts as last read, plus what was promised since."""

    def __init__(self, read_hosts: Callable[[], Sequence[Host]], clock: Clock) -> None:
        """`read_hosts` reads them all from the database."""
        self._read_hosts = read_hosts
        self._clock = clock
        self._lock = threading.Lock()
        self._crowd = Crowd()
        self._read_at: float | None = None

    def rank(self, request: PlacementRequest) -> Ranking:
        """Rank the hosts, and count the best as promised: the next request sees it.

        Raises: Unavailable when the database does not answer and the view is older than 10 seconds.
        """
        came_at = self._clock.monotonic()
        with self._lock:
            self._keep_fresh()
            ranking = pick_of(request, self._crowd)
            if not ranking.hosts and self._read_at is not None and self._read_at < came_at:
                self._refresh()
                ranking = pick_of(request, self._crowd)
            if ranking.hosts:
                self._promise(ranking.hosts[0], request)
            return ranking

    def hosts(self) -> tuple[Host, ...]:
        """Give the hosts, read anew when older than a second. Raises: Unavailable, as `rank`."""
        with self._lock:
            self._keep_fresh()
            return self._crowd.hosts()

    def _promise(self, name: HostName, request: PlacementRequest) -> None:
        host = self._crowd.find(name)
        if host is None:
            return
        used = host.used.plus(request.asked)
        self._crowd.put(dataclasses.replace(host, used=used, building=host.building + 1))

    def _age(self) -> float:
        return float("inf") if self._read_at is None else self._clock.monotonic() - self._read_at

    def _keep_fresh(self) -> None:
        if self._age() > FRESH_S:
            self._refresh()

    def _refresh(self) -> None:
        began = self._clock.monotonic()
        try:
            self._crowd = Crowd(self._read_hosts())
        except errors.Unavailable:
            if self._age() > USABLE_S:
                raise
            return
        self._read_at = began
