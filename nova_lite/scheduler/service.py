"""Answers requests for a ranking. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite.model import wire
from nova_lite.model.placement import PlacementRequest
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
