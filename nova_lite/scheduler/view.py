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
from nova_lite.model.placement import PlacementRequest
from nova_lite.model.resources import Resources

FRESH_S = 1.0
USABLE_S = 10.0  # without the database a ranking is still given from a view this old


class HostView:
    """The hosts as last read, plus what was promised since."""

    def __init__(self, read_hosts: Callable[[], Sequence[Host]], clock: Clock) -> None:
        """`read_hosts` reads them all from the database."""
        self._read_hosts = read_hosts
        self._clock = clock
        self._lock = threading.Lock()
        self._hosts: tuple[Host, ...] = ()
        self._read_at: float | None = None
        self._promised: dict[HostName, list[Resources]] = {}

    def hosts(self) -> tuple[Host, ...]:
        """Give the hosts, read anew when older than a second.

        Raises: Unavailable when the database does not answer and the view is older than 10 seconds.
        """
        with self._lock:
            if self._age() > FRESH_S:
                self._refresh()
            return tuple(self._with_promises(host) for host in self._hosts)

    def now(self) -> float:
        """Give the view's time, to be handed to `is_older` later."""
        return self._clock.monotonic()

    def is_older(self, moment: float) -> bool:
        """Whether the hosts were read before a moment, so that a change just before it is not seen."""
        with self._lock:
            return self._read_at is None or self._read_at < moment

    def renew(self, moment: float) -> None:
        """Read anew what was read before a moment. Raises: Unavailable like `hosts`."""
        with self._lock:
            if self._read_at is None or self._read_at < moment:
                self._refresh()

    def promise(self, host: HostName, request: PlacementRequest) -> None:
        """Count what was handed out on a host until the next reading shows it."""
        with self._lock:
            self._promised.setdefault(host, []).append(request.asked)

    def _age(self) -> float:
        return float("inf") if self._read_at is None else self._clock.monotonic() - self._read_at

    def _refresh(self) -> None:
        began = self._clock.monotonic()
        try:
            self._hosts = tuple(self._read_hosts())
        except errors.Unavailable:
            if self._age() > USABLE_S:
                raise
            return
        self._read_at = began
        self._promised.clear()

    def _with_promises(self, host: Host) -> Host:
        promised = self._promised.get(host.name)
        if not promised:
            return host
        used = Resources(
            vcpus=host.used.vcpus + sum(amount.vcpus for amount in promised),
            ram_mib=host.used.ram_mib + sum(amount.ram_mib for amount in promised),
            disk_gib=host.used.disk_gib + sum(amount.disk_gib for amount in promised),
        )
        return dataclasses.replace(host, used=used, building=host.building + len(promised))
