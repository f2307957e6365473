"""The hint `query`: a condition on what is known of a host (model/host_query.py)."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite.model import host_query
from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler import attributes
from nova_lite.scheduler.filters.port import refuse

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class QueryFilter:
    """Refuses a host for which the condition does not hold."""

    name = "query"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of requests with the hint only."""
        return request.hints.query is not None

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Work the condition out."""
        if request.hints.query is None or _holds(_parsed(request.hints.query), host):
            return None
        reason = "does not meet the hint query"
        return refuse(self.name, host, reason, reason.replace("does", "do", 1))


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> Any:
    return host_query.parse(text)


def _holds(condition: Any, host: Host) -> bool:
    """Work out a condition; one that compares what cannot be compared does not hold."""
    if not isinstance(condition, list):
        return bool(_value(condition, host))
    name, *operands = condition
    if name == "and":
        return all(_holds(one, host) for one in operands)
    if name == "or":
        return any(_holds(one, host) for one in operands)
    if name == "not":
        return not all(_holds(one, host) for one in operands)
    first, *others = (_value(one, host) for one in operands)
    if name == "in":
        return first in others
    try:
        return all(_ORDERS[name](first, other) for other in others)
    except TypeError:
        return False


def _value(operand: Any, host: Host) -> Any:
    if isinstance(operand, list):
        return _holds(operand, host)
    if isinstance(operand, str) and operand.startswith("$"):
        return attributes.find(host, tuple(operand[1:].split(".")))
    return operand
