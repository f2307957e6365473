"""The story of an operation: what happened to it over all daemons, in order, told from what the database keeps.

Pure: `tell` makes it of a `durable.story.Record`. Only named fields of bodies and parameters are looked at, so what is
secret in them cannot come out. Times are wall clock, of the process that wrote each down.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from nova_lite.durable import facts
from nova_lite.durable.story import Record
from nova_lite.durable.workflow import REPORT

Plain = Mapping[str, Any]
OUTCOMES = {
    "done": "done",
    "transient": "failed, is tried again",
    "back": "given up here",
    "failed": "failed",
    "deadline": "missed its deadline",
    "cancelled": "stopped",
}
RANKS = ("accepted", "lease", "takeover", "outage", "command", "report", "step", "schedule", "claim", "signal", "ended")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that happened. `kind` is one of RANKS; `seconds` how long it took; `details` are lines below it."""

    at: float
    kind: str
    text: str
    step: str | None = None
    host: str | None = None
    seconds: float | None = None
    details: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waiting:
    """What a living operation does or waits for now; seconds are from now on, None where there is no such thing."""

    text: str
    step: str | None
    attempt: int
    wake_in_s: float | None
    deadline_in_s: float | None
    host: str | None
    away: str | None
    leased_by: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums of a story. `commands` counts each sending; `image_bytes` what hosts fetched."""

    commands: int
    reports: int
    attempts: int
    image_bytes: int
    host_worked_s: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Story:
    """An operation's story. `now` is None when it has ended."""

    operation: str
    workflow: str
    subject: str
    request_id: str | None
    user_id: str | None
    project_id: str | None
    began_at: float
    ended_at: float | None
    outcome: str | None
    message: str | None
    entries: tuple[Entry, ...]
    totals: Totals
    now: Waiting | None


def tell(record: Record) -> Story:
    """Tell an operation's story."""
    row = record.row
    entries = [_accepted(record), *_of_facts(record), *_of_signals(record), *_of_events(record)]
    if row["ended_at"] is not None:
        entries.append(_ended(record))
    entries.sort(key=lambda entry: (entry.at, RANKS.index(entry.kind)))
    return Story(
        operation=row["id"],
        workflow=row["workflow"],
        subject=f"{row['subject_kind']} {row['subject_id']}",
        request_id=row["request_id"],
        user_id=row["user_id"],
        project_id=row["project_id"],
        began_at=row["started_at"],
        ended_at=row["ended_at"],
        outcome=row["outcome"],
        message=row["message"],
        entries=tuple(entries),
        totals=_totals(record),
        now=_now(record) if row["ended_at"] is None else None,
    )


def _accepted(record: Record) -> Entry:
    row, params = record.row, record.row["params"]
    by = f" by {record.state.accepted_by}" if record.state.accepted_by else ""
    text = f"{row['workflow']} accepted{by}, request {row['request_id'] or '-'}, user {row['user_id'] or '-'}"
    asked = params.get("asked") or {}
    amounts = f"{asked.get('vcpus')} vCPU, {asked.get('ram_mib')} MiB, {asked.get('disk_gib')} GiB"
    wishes = [("asks for", amounts if asked else None), ("in zone", params.get("zone"))]
    wishes += [("on host", params.get("host")), ("of image", params.get("image_id"))]
    details = " ".join(f"{word} {value}" for word, value in wishes if value)
    return Entry(at=row["started_at"], kind="accepted", text=text, details=(details,) if details else ())


def _of_facts(record: Record) -> Iterator[Entry]:
    for fact in record.facts:
        if fact["fact"] == facts.COMMAND:
            yield _command(fact)
        elif fact["fact"] == facts.LEASE:
            yield _lease(fact)
        elif fact["fact"] == facts.AWAY:
            took = max(0.0, fact["until"] - fact["at"])
            text = f"{fact['step']} stood still for {_length(took)}, not answering: {fact['what'].rstrip('.')}"
            yield Entry(at=fact["at"], kind="outage", text=text, step=fact["step"], seconds=took)


def _command(fact: Plain) -> Entry:
    often = f", {fact['count']} times within {_length(fact['last'] - fact['at'])}" if fact["count"] > 1 else ""
    text = f"{fact['name']} sent to {fact['host']} for {_step(fact)}{often}"
    return Entry(at=fact["at"], kind="command", text=text, step=fact["step"], host=fact["host"])


def _lease(fact: Plain) -> Entry:
    late = f" after {_length(fact['late_s'])} without any" if fact.get("late_s") else ""
    if fact.get("lapsed"):
        text = f"taken over by {fact['owner']}{late}: {fact['lapsed']} stopped without giving it back"
        return Entry(at=fact["at"], kind="takeover", text=text)
    return Entry(at=fact["at"], kind="lease", text=f"taken up by {fact['owner']}{late}")


def _of_signals(record: Record) -> Iterator[Entry]:
    for signal in record.signals:
        body = signal["body"]
        if signal["name"] == REPORT:
            yield _report(signal["created_at"], body)
        else:
            who = f"user {body['user_id']}" if body.get("user_id") else "an operator or another operation"
            request = f", request {body['request_id']}" if body.get("request_id") else ""
            yield Entry(at=signal["created_at"], kind="signal", text=f"{signal['name']} asked by {who}{request}")


def _report(at: float, body: Plain) -> Entry:
    words, fault = [], body.get("fault")
    if fault:
        blame = "the host's fault" if fault.get("host_at_fault") else "no fault of the host"
        words.append(f"{fault.get('message')} ({fault.get('code')}, {blame})")
    if body.get("worked_s") is not None:
        words.append(f"worked {_length(body['worked_s'])}")
    if body.get("image_bytes") is not None:
        words.append(f"fetched {body['image_bytes']} bytes of image" if body["image_bytes"] else "had the image")
    text = f"{body.get('host')} reports {_step(body)} {'failed' if fault else 'done'}" + (
        f": {', '.join(words)}" if words else ""
    )
    return Entry(at=at, kind="report", text=text, step=body.get("step"), host=body.get("host"), seconds=body.get("worked_s"))


def _of_events(record: Record) -> Iterator[Entry]:
    results: dict[str, list[Plain]] = {}
    for fact in record.facts:
        if fact["fact"] == facts.UNDONE:
            results.setdefault(fact["step"], []).append(fact)
    for step, result in record.row["results"].items():
        results.setdefault(step, []).append(result)
    for event in record.events:
        yield _event(record, event)
        if event["outcome"] == "done" and not event["unwinding"] and results.get(event["step"]):
            yield from _result(event, results[event["step"]].pop(0))


def _event(record: Record, event: Plain) -> Entry:
    took = None if event["ended_at"] is None else max(0.0, event["ended_at"] - event["started_at"])
    text = f"{_step(event)} {OUTCOMES.get(event['outcome'], event['outcome'])}" + (
        f" in {_length(took)}" if took is not None else ""
    )
    failure = record.state.failure
    lines: tuple[str, ...] = ()
    if failure is not None and failure.step == event["step"] and event["outcome"] == "failed" and failure.details:
        lines = tuple(failure.details.splitlines())
    return Entry(
        at=event["ended_at"] or event["started_at"],
        kind="step",
        text=text + (f": {event['message']}" if event["message"] else ""),
        step=event["step"],
        host=event["host"],
        seconds=took,
        details=lines,
    )


def _result(event: Plain, result: Plain) -> Iterator[Entry]:
    value = result["value"]
    if result["kind"] == "Chosen":
        refusals = tuple(f"{one['host']}: {_reason(one)}" for one in value.get("refusals", ()))
        counts = ", ".join(f"{number} {reason}" for reason, number in value.get("counts", {}).items())
        text = f"{value.get('hosts_seen', 0)} hosts seen, ranking {', '.join(value['hosts'])}"
        text += f"; refused: {counts}" if counts else ""
        yield Entry(at=event["ended_at"], kind="schedule", text=text, step=event["step"], details=refusals)
    elif result["kind"] == "Claimed":
        text = f"room claimed on {value['host']}"
        yield Entry(at=event["ended_at"], kind="claim", text=text, step=event["step"], host=value["host"])


def _reason(refusal: Plain) -> str:
    lack = f" (asked {refusal['asked']}, free {refusal.get('free')} {refusal.get('unit', '')})" if refusal.get("lacks") else ""
    return f"{refusal['reason']}{lack}"


def _ended(record: Record) -> Entry:
    row = record.row
    took = max(0.0, row["ended_at"] - row["started_at"])
    tried = tuple(f"tried {one.host}: {one.reason}" for one in record.state.tried)
    text = f"{row['workflow']} {row['outcome']} after {_length(took)}" + (f": {row['message']}" if row["message"] else "")
    return Entry(at=row["ended_at"], kind="ended", text=text, seconds=took, details=tried)


def _totals(record: Record) -> Totals:
    bodies = [signal["body"] for signal in record.signals if signal["name"] == REPORT]
    return Totals(
        commands=sum(fact["count"] for fact in record.facts if fact["fact"] == facts.COMMAND),
        reports=len(bodies),
        attempts=len(record.events),
        image_bytes=sum(body.get("image_bytes") or 0 for body in bodies),
        host_worked_s=round(sum(body.get("worked_s") or 0.0 for body in bodies), 3),
    )


def _now(record: Record) -> Waiting:
    row, state = record.row, record.state
    left_s = row["left_s"] if state.frozen_left_s is None else state.frozen_left_s
    return Waiting(
        text=f"{_step(row)}: {_reason_to_wait(record)}"
        + (f"; {_length(left_s)} left of its time" if left_s is not None else ""),
        step=row["step"],
        attempt=row["attempt"],
        wake_in_s=row["wake_in_s"],
        deadline_in_s=left_s,
        host=state.waits_for,
        away=state.away,
        leased_by=row["lease_owner"],
    )


def _reason_to_wait(record: Record) -> str:
    row, state = record.row, record.state
    if row["wake_in_s"] is None:
        return f"held until operation {row['held_by']} releases it"
    again = f", looks again in {_length(max(0.0, row['wake_in_s']))}"
    if row["lease_owner"] is not None:
        lapsed = row["leased_s"] is not None and row["leased_s"] <= 0
        return (
            f"left by {row['lease_owner']}, waits for another conductor" if lapsed else f"in the hands of {row['lease_owner']}"
        )
    if state.away is not None:
        return f"stands still, not answering: {state.away.rstrip('.')}{again}"
    if row["wake_in_s"] <= 0:
        return f"due for {_length(-row['wake_in_s'])}, waits for a conductor"
    return (f"waits for {state.waits_for}" if state.waits_for else "waits") + again


def _step(place: Plain) -> str:
    """Name a step, its direction and its attempt."""
    words = f"undo of {place['step']}" if place.get("unwinding") else str(place.get("step"))
    return f"{words} (attempt {place['attempt']})" if (place.get("attempt") or 1) > 1 else words


def _length(seconds: float) -> str:
    """Say a length of time."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
