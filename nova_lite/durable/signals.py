"""Reading signals: what stops an operation, and which of the hosts' reports count (ENGINE rules, Commands and reports)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nova_lite.durable.workflow import CANCEL, DELETE, HostReport, Signal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where an operation stands. `entered` is the turn with which it came to this step in this direction."""

    step: str
    unwinding: bool
    turn: int
    entered: int


def from_rows(rows: Iterable[Mapping[Any, Any]]) -> tuple[Signal, ...]:
    """Make signals of rows, in their order."""
    return tuple(Signal(int(row["seq"]), str(row["name"]), row["body"]) for row in rows)


def asks(signals: Sequence[Signal], name: str) -> bool:
    """Whether a signal of that name has come."""
    return any(signal.name == name for signal in signals)


def asks_to_stop(signals: Sequence[Signal]) -> bool:
    """Whether somebody wants the operation to end before its end."""
    return any(signal.name in (CANCEL, DELETE) for signal in signals)


def answer(signals: Sequence[Signal], name: str, place: Place) -> HostReport | None:
    """Give the report that counts at a place: a success of any of its attempts, else a fault of the current one.

    Turns tell attempts apart, also those of an earlier visit of the same step: a host that was given up may still
    report what it did then.
    """
    faults: list[HostReport] = []
    for signal in reversed(signals):
        if signal.name != name or not _is_of(signal.body, place):
            continue
        if signal.body.get("fault") is None:
            return _success(signal.body)
        if signal.body.get("turn") == place.turn:
            faults.append(_fault(signal.body))
    return faults[0] if faults else None


def _is_of(body: Mapping[str, Any], place: Place) -> bool:
    if body.get("step") != place.step or bool(body.get("unwinding")) != place.unwinding:
        return False
    return place.entered <= int(body.get("turn", 0)) <= place.turn


def _success(body: Mapping[str, Any]) -> HostReport:
    return HostReport(ok=True, host=body["host"], body=body)


def _fault(body: Mapping[str, Any]) -> HostReport:
    fault = body["fault"]
    return HostReport(
        ok=False,
        host=body["host"],
        body=body,
        code=str(fault.get("code", "")),
        message=str(fault.get("message", "")),
        host_at_fault=bool(fault.get("host_at_fault", False)),
    )
