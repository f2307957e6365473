"""The run that a step is given: a leased operation as it stands at the moment of the call."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from nova_lite.db.engine import Tx
from nova_lite.durable import signals as reading
from nova_lite.durable.progress import Progress, step_of
from nova_lite.durable.workflow import REPORT, HostReport, Run, Signal, Workflow
from nova_lite.model import wire
from nova_lite.model.ids import HostName, OperationId

P = TypeVar("P")
R = TypeVar("R")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lease:
    """What stays the same while a runner holds an operation. `first`: no runner held it before."""

    operation_id: OperationId
    workflow: Workflow[Any]
    subject_kind: str
    subject_id: str
    project_id: str
    user_id: str
    request_id: str
    params: Any
    number: int
    fence: int
    first: bool


class LeasedRun(Run[P]):
    """One call of a step, an undo or a last hook."""

    def __init__(
        self, lease: Lease, progress: Progress, signals: tuple[Signal, ...], ports: Any, ring: Callable[[OperationId], None]
    ) -> None:
        """Made by `durable.drive` for each call."""
        self.operation_id = lease.operation_id
        self.subject_kind = lease.subject_kind
        self.subject_id = lease.subject_id
        self.project_id = lease.project_id
        self.user_id = lease.user_id
        self.request_id = lease.request_id
        self.params = lease.params
        self.step = step_of(lease.workflow, progress).name
        self.unwinding = progress.unwinding
        self.attempt = progress.attempt
        self.fence = lease.fence
        self.turn = progress.turn
        self.ports = ports
        self.failure = progress.state.failure
        self.hosts_tried = tuple(tried.host for tried in progress.state.tried)
        self.reasons_tried = {tried.host: tried.reason for tried in progress.state.tried}
        self.signals = signals
        self.time_left_s = 0.0
        self.notes: tuple[str, ...] = ()
        self.host: HostName | None = None
        self.commands: tuple[tuple[HostName, str], ...] = ()
        self.why: Mapping[str, Any] | None = None
        self._lease = lease
        self._progress = progress
        self._ring = ring
        self._tx: Tx | None = None

    def within(self, tx: Tx | None, time_left_s: float) -> LeasedRun[P]:
        """Set the transaction of a Record step, and the time that is left of the deadline."""
        self._tx = tx
        self.time_left_s = time_left_s
        return self

    @property
    def tx(self) -> Tx:
        """Give the open transaction. Raises: RuntimeError in an Outside step."""
        if self._tx is None:
            raise RuntimeError(f"{self.step} is an Outside step: no transaction is open")
        return self._tx

    def out(self, kind: type[R]) -> R:
        """Give the newest recorded result of that class. Raises: KeyError when no step recorded one."""
        found = self.find_out(kind)
        if found is None:
            raise KeyError(kind.__qualname__)
        return found

    def find_out(self, kind: type[R]) -> R | None:
        """Give the newest recorded result of that class, or None."""
        for step in reversed(self._lease.workflow.steps):
            result = self._progress.results.get(step.name)
            if result is not None and result["kind"] == kind.__qualname__:
                return wire.from_plain(kind, result["value"])
        return None

    def report(self, name: str = REPORT) -> HostReport | None:
        """Give the host's report that answers the current step and direction, or None yet."""
        place = reading.Place(step=self.step, unwinding=self.unwinding, turn=self.turn, entered=self._progress.state.entered)
        return reading.answer(self.signals, name, place)

    def key(self, suffix: str = "") -> str:
        """Name an object made by this step in an outside service: the same at each repetition, and for its undo."""
        return ":".join(part for part in (self.operation_id, self.step, suffix) if part)

    def note(self, message: str, host: HostName | None = None) -> None:
        """Say what is going on, for this step's event."""
        self.notes = (*self.notes, message)
        self.host = host or self.host

    def sent(self, host: HostName, command: str) -> None:
        """Say that a host was sent a command, for the operation's story."""
        self.commands = (*self.commands, (host, command))

    def explain(self, why: object) -> None:
        """Say why the step decides what it does: a frozen dataclass, kept with the operation (bounded by its maker)."""
        self.why = wire.to_plain(why)

    def ring(self, operation_id: OperationId) -> None:
        """Tell the runners that another operation is due: at once, or when the open transaction has been committed."""
        if self._tx is None:
            self._ring(operation_id)
        else:
            self._tx.after_commit(lambda: self._ring(operation_id))
