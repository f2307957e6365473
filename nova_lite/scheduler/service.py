"""Answers requests for a ranking, and for the hosts there are. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite.model import wire
from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest
from nova_lite.rpc.scheduler import HostLine, HostList
from nova_lite.scheduler.view import HostView


class SchedulerService:
    """The handlers of the scheduler's address (rpc/scheduler.py)."""

    def __init__(self, view: HostView) -> None:
        """`view` is shared by all handler threads."""
        self._view = view

    def rank(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle a PlacementRequest: the plain form of a Ranking."""
        answer: Mapping[str, Any] = wire.to_plain(self._view.rank(wire.from_plain(PlacementRequest, body)))
        return answer

    def list_hosts(self, _body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle the question for all hosts: the plain form of a HostList."""
        answer: Mapping[str, Any] = wire.to_plain(HostList(hosts=tuple(_line(host) for host in self._view.hosts())))
        return answer


def _line(host: Host) -> HostLine:
    return HostLine(
        name=host.name,
        zone=host.facts.zone,
        enabled=host.enabled,
        up=host.up,
        limit=host.limit,
        used=host.used,
        running=host.running,
    )
