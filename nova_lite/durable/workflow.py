"""What a long operation is made of: steps, how a step ends, and the run that a step is given.

The rules stand in docs/develop/engine.md. This module has no I/O and knows no server: a workflow is a table of steps.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from nova_lite import errors
from nova_lite.db.engine import Tx
from nova_lite.model.ids import HostName, OperationId

P = TypeVar("P")
R = TypeVar("R")


def seconds(number: float) -> float:
    """Say a length of time in seconds."""
    return float(number)


def minutes(number: float) -> float:
    """Say a length of time in minutes."""
    return number * 60.0


def hours(number: float) -> float:
    """Say a length of time in hours."""
    return number * 3600.0


@dataclasses.dataclass(frozen=True)
class Done:
    """The step is finished. `result` is a frozen dataclass (read later by `run.out(Its)`), or None."""

    result: object | None = None


@dataclasses.dataclass(frozen=True)
class Wait:
    """Nothing to do until a signal comes or the time is over; then the step is called again, same attempt.

    Each further wait of the same attempt is twice as long, up to 5 minutes. `host` names the host that is waited for:
    while it is silent, the time does not count against the deadline.
    """

    seconds: float
    host: HostName | None = None


class Transient(Exception):
    """Try the step again with back-off, a few attempts, then unwind."""


class StepFailed(Exception):
    """The step cannot succeed: unwind now. `code` is the HTTP-like code of the fault a user reads."""

    def __init__(self, message: str, *, code: int = 500, details: str | None = None) -> None:
        """`message` is for the user; `details` for the operator."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = details


class Back(Exception):
    """Undo down to and including `step`, then go forward again from it; at most 3 times an operation."""

    def __init__(self, step: str, reason: str, *, host: HostName | None = None) -> None:
        """`host` is remembered as tried: `run.hosts_tried` names it from now on."""
        super().__init__(reason)
        self.step = step
        self.reason = reason
        self.host = host


class Kind(enum.StrEnum):
    """Where a step acts."""

    RECORD = "record"  # in the database only, inside the transaction that records it: happens once
    OUTSIDE = "outside"  # in the world, no transaction open: may happen twice


StepFunction = Callable[["Run[Any]"], "Done | Wait | None"]


@dataclasses.dataclass(frozen=True)
class Step:
    """One row of a workflow's table. `shown_as` is the task state users see while it runs; `deadline_s` its time."""

    kind: Kind
    name: str
    do: StepFunction
    undo: StepFunction | None
    shown_as: str | None
    deadline_s: float
    commits: bool = False  # once begun the operation never unwinds


def Record(  # noqa: N802 - reads as a row of a table
    name: str, do: StepFunction, undo: StepFunction | None, shown_as: str | None, deadline_s: float, *, commits: bool = False
) -> Step:
    """Make a step whose statements run inside the transaction that records it."""
    return Step(Kind.RECORD, name, do, undo, shown_as, deadline_s, commits)


def Outside(  # noqa: N802 - reads as a row of a table
    name: str, do: StepFunction, undo: StepFunction | None, shown_as: str | None, deadline_s: float, *, commits: bool = False
) -> Step:
    """Make a step that calls the world; it may run twice."""
    return Step(Kind.OUTSIDE, name, do, undo, shown_as, deadline_s, commits)


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why an operation is unwinding, for its last transaction and for the user."""

    step: str
    message: str
    code: int = 500
    details: str | None = None


class Priority(enum.IntEnum):
    """The class of an operation: lower runs first (unwinding counts as the first, whatever the class)."""

    DELETE = 0
    ACTION = 1
    BOOT = 2


@dataclasses.dataclass(frozen=True)
class Workflow(Generic[P]):
    """A table of steps and what its last transaction does.

    `params` is a frozen dataclass; its fields with the metadata `{"secret": True}` are emptied when the operation ends.
    `on_success`, `on_failure` (after unwinding; `run.failure` says why), `on_cancel` (after unwinding for a `cancel`
    or `delete` signal) and `on_delete` (a `delete` was asked meanwhile: starts that operation) run inside the
    transaction that ends the operation, `on_delete` last.
    """

    name: str
    version: int
    params: type[P]
    steps: tuple[Step, ...]
    priority: Priority = Priority.ACTION
    pool: str = "control"
    on_success: Callable[[Run[P]], None] | None = None
    on_failure: Callable[[Run[P]], None] | None = None
    on_cancel: Callable[[Run[P]], None] | None = None
    on_delete: Callable[[Run[P]], None] | None = None

    def index(self, step: str) -> int:
        """Give the position of a step. Raises: KeyError when there is none of that name."""
        for position, candidate in enumerate(self.steps):
            if candidate.name == step:
                return position
        raise KeyError(step)


@dataclasses.dataclass(frozen=True)
class Signal:
    """A message to a running operation: `delete`, `cancel`, `report`, or a name that its workflow knows."""

    seq: int
    name: str
    body: Mapping[str, Any]


CANCEL = "cancel"  # stop, undo, nothing else
DELETE = "delete"  # stop, undo, then `on_delete` begins the subject's end
REPORT = "report"  # a host's answer: the plain form of nova_lite.rpc.conductor.Report


@dataclasses.dataclass(frozen=True)
class HostReport:
    """A host's answer to a command of the current step and direction (ENGINE rules pick which count)."""

    ok: bool
    host: HostName
    body: Mapping[str, Any]
    code: str = ""  # stable code of the fault
    message: str = ""
    host_at_fault: bool = False  # another host may succeed

    def raise_if_fault(self, back_to: str | None = None) -> None:
        """Raise what the fault means.

        Raises: Back to `back_to` when the host is at fault and one is named; else StepFailed.
        """
        if self.ok:
            return
        if self.host_at_fault and back_to is not None:
            raise Back(back_to, self.message, host=self.host)
        raise StepFailed(self.message, details=f"{self.code} on {self.host}")


class Run(Generic[P]):
    """One operation as its steps see it. Made by the runner; a step keeps nothing between calls but its result.

    `attempt` counts from 1 in each visit of a step. `failure` is set while unwinding from a failure.
    """

    operation_id: OperationId
    subject_kind: str
    subject_id: str
    project_id: str
    user_id: str
    request_id: str
    params: P
    step: str
    unwinding: bool
    attempt: int
    fence: int
    turn: int
    ports: Any  # nova_lite.workflows.ports.Ports, as a daemon's main() made it
    failure: Failure | None
    hosts_tried: tuple[HostName, ...]
    reasons_tried: Mapping[HostName, str]  # why each of them was given up
    signals: tuple[Signal, ...]
    time_left_s: float

    @property
    def tx(self) -> Tx:
        """Give the open transaction. Raises: RuntimeError in an Outside step."""
        raise NotImplementedError

    def out(self, kind: type[R]) -> R:
        """Give the newest recorded result of that class. Raises: KeyError when no step recorded one."""
        raise NotImplementedError

    def find_out(self, kind: type[R]) -> R | None:
        """Give the newest recorded result of that class, or None (an undo: the step may not have happened)."""
        raise NotImplementedError

    def report(self, name: str = REPORT) -> HostReport | None:
        """Give the host's report that answers the current step and direction, or None yet.

        A fault counts only for the current attempt, a success for any attempt since the step was entered.
        """
        raise NotImplementedError

    def ring(self, operation_id: OperationId) -> None:
        """Tell the runners that another operation is due: at once, or when the open transaction has been committed."""
        raise NotImplementedError

    def key(self, suffix: str = "") -> str:
        """Name an object made by this step in an outside service: the same at each repetition."""
        raise NotImplementedError

    def note(self, message: str, host: HostName | None = None) -> None:
        """Say what is going on, for this step's event (shown by the API and the operator's command)."""
        raise NotImplementedError

    def explain(self, why: object) -> None:
        """Say why the step decides what it does: a frozen dataclass, kept with the operation (bounded by its maker)."""

    def sent(self, host: HostName, command: str) -> None:
        """Say that a host was sent a command, for the operation's story."""
        raise NotImplementedError


class Registry:
    """The workflows that a runner knows, by name and version."""

    def __init__(self, workflows: tuple[Workflow[Any], ...]) -> None:
        """Take all at once. Raises: ValueError when two have the same name and version."""
        self._known: dict[tuple[str, int], Workflow[Any]] = {}
        for workflow in workflows:
            if (workflow.name, workflow.version) in self._known:
                raise ValueError(f"two workflows are {workflow.name} version {workflow.version}")
            self._known[workflow.name, workflow.version] = workflow

    def get(self, name: str, version: int) -> Workflow[Any]:
        """Give a workflow. Raises: NotFound when this release does not know it."""
        try:
            return self._known[name, version]
        except KeyError as error:
            raise errors.NotFound(f"No workflow {name} version {version}.") from error

    def all(self) -> tuple[Workflow[Any], ...]:
        """List them in the order they were given."""
        return tuple(self._known.values())
