"""Answers requests for a ranking. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite.model import wire
from nova_lite.model.placement import PlacementRequest
from nova_lite.scheduler.pick import pick
from nova_lite.scheduler.view import HostView


class SchedulerService:
    """The handlers of the scheduler's address (rpc/scheduler.py)."""

    def __init__(self, view: HostView) -> None:
        """`view` is shared by all handler threads."""
        self._view = view

    def rank(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle a PlacementRequest: the plain form of a Ranking."""
        request = wire.from_plain(PlacementRequest, body)
        came_at = self._view.now()
        ranking = pick(request, self._view.hosts())
        if not ranking.hosts and self._view.is_older(came_at):
            self._view.renew(came_at)
            ranking = pick(request, self._view.hosts())
        if ranking.hosts:
            self._view.promise(ranking.hosts[0], request)
        answer: Mapping[str, Any] = wire.to_plain(ranking)
        return answer
