"""How an operation moves: from where it stands and how a step ended, to where it stands next. Pure functions.

The runner calls a step, turns what it returned or raised into an ending, asks `after` for the move, and records it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.durable import facts
from nova_lite.durable.workflow import Back, Done, Failure, Priority, Step, StepFailed, Transient, Wait, Workflow
from nova_lite.model import wire
from nova_lite.model.ids import HostName

Ending = Done | Wait | Back | Transient | StepFailed | errors.Unavailable

ATTEMPTS = 4  # of a step that ends as Transient
BACKS = 3  # of an operation
WAIT_LIMIT_S = 300.0  # repeated waits double up to this
RETRY_LIMIT_S = 60.0  # pauses between attempts double up to this
AWAY_LIMIT_S = 5.0  # pauses while something does not answer double up to this
NOTED_ATTEMPTS = 5  # of endless ones, these and every tenth are written as events

DONE, FAILED, CANCELLED = "done", "failed", "cancelled"  # outcomes of operations


class Unexpected(Transient):
    """Something raised what it should not: tried again, the type of the error is kept for the operator."""

    def __init__(self, message: str, details: str) -> None:
        """`message` is for the user and tells nothing of the inside; `details` for the operator."""
        super().__init__(message)
        self.details = details


class Missed(StepFailed):
    """The step's deadline is over."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tried:
    """A host that was given up, and why."""

    host: HostName
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class State:
    """What the engine keeps of an operation beside its place; the row's `state`.

    While something does not answer, the step's time stands still: `frozen_left_s` says how much of it is left.
    Times are wall clock and only shown.
    """

    entered: int = 1  # the turn with which the step was entered in this direction
    started_at: float = 0.0  # of this attempt
    backs: int = 0
    back_to: str | None = None  # unwinding ends there and turns forward again
    tried: tuple[Tried, ...] = ()
    failure: Failure | None = None
    cancelled: bool = False
    waits: int = 0  # of this attempt, one after the other
    waits_for: HostName | None = None
    away: str | None = None  # what does not answer
    away_since: float = 0.0
    away_times: int = 0
    frozen_left_s: float | None = None
    waited: Mapping[str, float] = dataclasses.field(default_factory=dict)  # seconds by what did not answer, in this visit
    parent_kind: str | None = None
    parent_id: str | None = None
    reopens: bool = False  # the subject was closed at accept and opens at the end
    accepted_by: str | None = None  # the process that wrote the operation down
    facts: facts.Facts = ()  # for the operation's story alone


_INITIAL = State()


def plain_state(state: State) -> dict[str, Any]:
    """Give what differs from the initial state, in plain form: most of it mostly does not."""
    names = [field.name for field in dataclasses.fields(State)]
    return {name: wire.to_plain(getattr(state, name)) for name in names if getattr(state, name) != getattr(_INITIAL, name)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """Where an operation stands. `results` are by step: the class's name and the plain form of what it returned."""

    position: int = 0
    unwinding: bool = False
    attempt: int = 1
    turn: int = 1
    results: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    state: State = dataclasses.field(default_factory=State)
    events: tuple[Mapping[str, Any], ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moment:
    """What a move depends on beside the progress. `left_s`: of the step's deadline; `silence_s`: of the waited host."""

    workflow: Workflow[Any]
    wall: float
    left_s: float
    silence_s: float = 0.0
    notes: tuple[str, ...] = ()
    host: HostName | None = None
    sent: tuple[tuple[HostName, str], ...] = ()  # commands to hosts, by name
    why: Mapping[str, Any] | None = None  # the plain form of what the call says of its decision


@dataclasses.dataclass(frozen=True, kw_only=True)
class Move:
    """Where an operation goes. `left_s` None: another step's, whose deadline begins; `pause_s`: let go for so long."""

    progress: Progress
    left_s: float | None = None
    pause_s: float | None = None
    outcome: str | None = None


def step_of(workflow: Workflow[Any], progress: Progress) -> Step:
    """Give the step that an operation stands at."""
    return workflow.steps[progress.position]


def is_committed(workflow: Workflow[Any], progress: Progress) -> bool:
    """Whether there is no way back: a step that commits has begun. To stand at one is to have begun it."""
    return not progress.unwinding and any(step.commits for step in workflow.steps[: progress.position + 1])


def priority(workflow: Workflow[Any], progress: Progress) -> int:
    """Give the class in which an operation waits for a runner: unwinding goes first."""
    return int(Priority.DELETE if progress.unwinding else workflow.priority)


def after(progress: Progress, ending: Ending, moment: Moment) -> Move:
    """Give the move that a step's ending means."""
    progress = _told(progress, moment)
    if isinstance(ending, errors.Unavailable):
        return _away(progress, str(ending.details.get("what", ending.message)), moment)
    if isinstance(ending, Wait):
        return _wait(progress, ending, moment)
    progress = _thawed(progress, moment)
    if isinstance(ending, Done):
        return _done(progress, ending, moment)
    if progress.unwinding or is_committed(moment.workflow, progress):
        return retry(progress, str(ending), moment)
    if isinstance(ending, Back):
        return _back(progress, ending, moment)
    if isinstance(ending, Transient) and progress.attempt < ATTEMPTS:
        return retry(progress, str(ending), moment)
    return _turn_back(progress, ending, moment)


def retry(progress: Progress, why: str, moment: Moment) -> Move:
    """Make another attempt of the same step, later: the turn rises, so what hosts still do for this one is known as old."""
    events = progress.events
    if progress.attempt <= NOTED_ATTEMPTS or progress.attempt % 10 == 0:
        events = (*events, _event(progress, moment, "transient", why))
    state = dataclasses.replace(progress.state, waits=0, waits_for=None, started_at=moment.wall)
    moved = dataclasses.replace(progress, attempt=progress.attempt + 1, turn=progress.turn + 1, state=state, events=events)
    return Move(progress=moved, left_s=moment.left_s, pause_s=_doubled(1.0, progress.attempt - 1, RETRY_LIMIT_S))


def interrupted(progress: Progress, moment: Moment, *, begun: bool) -> Move:
    """Stop for a `cancel` or `delete`: unwind from here to the start; end at once what has never begun."""
    state = dataclasses.replace(progress.state, cancelled=True, back_to=None)
    if progress.unwinding:
        return Move(progress=dataclasses.replace(progress, state=state), left_s=moment.left_s)
    if not begun:
        return Move(progress=dataclasses.replace(progress, state=state), left_s=moment.left_s, outcome=CANCELLED)
    progress = _told(_thawed(progress, moment), moment)
    state = dataclasses.replace(progress.state, cancelled=True, back_to=None)
    events = (*progress.events, _event(progress, moment, "cancelled", ""))
    return _next_undo(dataclasses.replace(progress, state=state, events=events), moment, progress.position)


def silent(progress: Progress, moment: Moment) -> Progress:
    """Let the step's time stand still since the last contact with the host it waits for."""
    step = step_of(moment.workflow, progress)
    left_s = min(step.deadline_s, max(0.0, moment.left_s) + moment.silence_s)
    return _frozen(progress, f"host {progress.state.waits_for}", left_s, moment.wall - moment.silence_s)


def _done(progress: Progress, ending: Done, moment: Moment) -> Move:
    step = step_of(moment.workflow, progress)
    events = (*progress.events, _event(progress, moment, DONE, ""))
    results = {name: result for name, result in progress.results.items() if name != step.name}
    progress = _forgetting(progress, (step.name,), moment)
    if progress.unwinding:
        return _next_undo(dataclasses.replace(progress, results=results, events=events), moment, progress.position - 1)
    if ending.result is not None:
        results[step.name] = {"kind": type(ending.result).__qualname__, "value": wire.to_plain(ending.result)}
    progress = dataclasses.replace(progress, results=results, events=events)
    if progress.position + 1 == len(moment.workflow.steps):
        return Move(progress=progress, outcome=DONE)
    return Move(progress=_enter(progress, moment, progress.position + 1, unwinding=False))


def _wait(progress: Progress, ending: Wait, moment: Moment) -> Move:
    pause_s = _doubled(ending.seconds, progress.state.waits, max(ending.seconds, WAIT_LIMIT_S))
    state = dataclasses.replace(progress.state, waits=progress.state.waits + 1, waits_for=ending.host)
    waiting = dataclasses.replace(progress, state=state)
    if ending.host is not None and moment.silence_s > 0:
        if state.frozen_left_s is None:
            waiting = silent(waiting, moment)
        return Move(progress=waiting, left_s=moment.left_s, pause_s=pause_s)
    waiting = _thawed(waiting, moment)
    if not (progress.unwinding or is_committed(moment.workflow, progress)):
        pause_s = min(pause_s, max(0.0, moment.left_s))
    return Move(progress=waiting, left_s=moment.left_s, pause_s=pause_s)


def _away(progress: Progress, what: str, moment: Moment) -> Move:
    pause_s = _doubled(0.5, progress.state.away_times, AWAY_LIMIT_S)
    if progress.state.away != what:
        progress = _frozen(_thawed(progress, moment), what, moment.left_s, moment.wall)
    state = dataclasses.replace(progress.state, away_times=progress.state.away_times + 1)
    return Move(progress=dataclasses.replace(progress, state=state), left_s=moment.left_s, pause_s=pause_s)


def _back(progress: Progress, ending: Back, moment: Moment) -> Move:
    names = [step.name for step in moment.workflow.steps[: progress.position + 1]]
    if ending.step not in names or progress.state.backs >= BACKS:
        return _turn_back(progress, StepFailed(ending.reason), moment)
    tried = progress.state.tried
    if ending.host is not None:
        tried = (*tried, Tried(host=ending.host, reason=ending.reason))
    state = dataclasses.replace(progress.state, backs=progress.state.backs + 1, back_to=ending.step, tried=tried)
    events = (*progress.events, _event(progress, moment, "back", ending.reason))
    return _next_undo(dataclasses.replace(progress, state=state, events=events), moment, progress.position)


def _turn_back(progress: Progress, ending: Transient | StepFailed | Back, moment: Moment) -> Move:
    step = step_of(moment.workflow, progress)
    code = ending.code if isinstance(ending, StepFailed) else 500
    failure = Failure(step.name, str(ending), code, getattr(ending, "details", None))
    state = dataclasses.replace(progress.state, failure=failure, back_to=None)
    outcome = "deadline" if isinstance(ending, Missed) else FAILED
    events = (*progress.events, _event(progress, moment, outcome, str(ending)))
    return _next_undo(dataclasses.replace(progress, state=state, events=events), moment, progress.position)


def _next_undo(progress: Progress, moment: Moment, start: int) -> Move:
    """Go to the next step at or before `start` that has an undo; past the last one forward again, or to the end."""
    state, steps = progress.state, moment.workflow.steps
    floor = 0 if state.back_to is None else moment.workflow.index(state.back_to)
    for position in range(start, floor - 1, -1):
        if steps[position].undo is not None:
            return Move(progress=_enter(progress, moment, position, unwinding=True))
    if state.back_to is None:
        progress = dataclasses.replace(progress, unwinding=True)
        return Move(progress=progress, outcome=CANCELLED if state.cancelled else FAILED)
    kept = {step.name for step in steps[:floor]}
    results = {name: result for name, result in progress.results.items() if name in kept}
    progress = _forgetting(progress, [name for name in progress.results if name not in kept], moment)
    state = progress.state
    progress = dataclasses.replace(progress, results=results, state=dataclasses.replace(state, back_to=None))
    return Move(progress=_enter(progress, moment, floor, unwinding=False))


def _enter(progress: Progress, moment: Moment, position: int, *, unwinding: bool) -> Progress:
    turn = progress.turn + 1
    state = dataclasses.replace(
        progress.state,
        entered=turn,
        started_at=moment.wall,
        waits=0,
        waits_for=None,
        away=None,
        away_times=0,
        frozen_left_s=None,
        waited={},
    )
    return dataclasses.replace(progress, position=position, unwinding=unwinding, attempt=1, turn=turn, state=state)


def _frozen(progress: Progress, what: str, left_s: float, since: float) -> Progress:
    state = dataclasses.replace(progress.state, away=what, away_since=since, away_times=0, frozen_left_s=left_s)
    return dataclasses.replace(progress, state=state)


def _thawed(progress: Progress, moment: Moment) -> Progress:
    """Let the step's time go on, and remember how long it stood still and for what."""
    state = progress.state
    if state.away is None:
        return progress
    waited = dict(state.waited)
    waited[state.away] = waited.get(state.away, 0.0) + max(0.0, moment.wall - state.away_since)
    step = step_of(moment.workflow, progress).name
    known = facts.with_outage(state.facts, step, state.away, state.away_since, moment.wall)
    state = dataclasses.replace(state, away=None, away_times=0, frozen_left_s=None, waited=waited, facts=known)
    return dataclasses.replace(progress, state=state)


def _told(progress: Progress, moment: Moment) -> Progress:
    """Note the commands that a call has sent, and why it decided what it did."""
    if not moment.sent and moment.why is None:
        return progress
    known, step = progress.state.facts, step_of(moment.workflow, progress).name
    if moment.why is not None:
        known = facts.with_decision(known, {"step": step, "turn": progress.turn}, moment.why, moment.wall)
    place = {"step": step, "unwinding": progress.unwinding, "attempt": progress.attempt, "turn": progress.turn}
    for host, name in moment.sent:
        known = facts.with_command(known, place, host, name, moment.wall)
    return dataclasses.replace(progress, state=dataclasses.replace(progress.state, facts=known))


def _forgetting(progress: Progress, names: Iterable[str], moment: Moment) -> Progress:
    """Note the results that are about to be dropped."""
    known = progress.state.facts
    for name in names:
        if name in progress.results:
            known = facts.with_undone(known, name, progress.results[name], moment.wall)
    if known is progress.state.facts:
        return progress
    return dataclasses.replace(progress, state=dataclasses.replace(progress.state, facts=known))


def _event(progress: Progress, moment: Moment, outcome: str, message: str) -> Mapping[str, Any]:
    waited = tuple(f"waited {seconds:.0f} s for {what}" for what, seconds in progress.state.waited.items())
    words = [word for word in (*moment.notes, message, *waited) if word]
    return {
        "step": step_of(moment.workflow, progress).name,
        "unwinding": progress.unwinding,
        "attempt": progress.attempt,
        "started_at": progress.state.started_at,
        "ended_at": moment.wall,
        "outcome": outcome,
        "host": moment.host,
        "message": "; ".join(words) or None,
    }


def _doubled(first_s: float, times: int, limit_s: float) -> float:
    return min(first_s * 2.0 ** min(times, 20), limit_s)
