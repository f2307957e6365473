"""The account of a server's placing: why it got its host or none, as it was decided then, and how the same looks now.

Pure: `account_of` makes it of what is kept of the server's operations (`durable.story`). Times are wall clock.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from nova_lite.durable import facts
from nova_lite.durable.story import Record
from nova_lite.model import wire
from nova_lite.model.placement import Explanation, PlacementRequest, Verdict
from nova_lite.model.server import Server
from nova_lite.workflows.boot import BOOT, BootParams, request_of

PLACING = ("boot", "boot_many", "unshelve")
CHANGES_SHOWN = 20
# What helps when a boot failed behind the choice of a host, by the step where it did.
REMEDIES = {
    "create_ports": "give the network free addresses, or ask for another network or port",
    "start_guest": "mend what the message names (the image, or the hosts that were tried), then create the server anew",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """One choice of a host, as it was explained when it was made."""

    at: float
    operation: str
    step: str
    explanation: Explanation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Account:
    """Why a server is where it is, or nowhere. `cause` is what ended its boot; None when that succeeded or goes on.

    `changes` tell how hosts differ from the last decision; `now` is None where the same cannot be asked any more.
    """

    server: str
    state: str
    host: str | None
    cause: str | None
    remedies: tuple[str, ...]
    tried: tuple[str, ...]
    decisions: tuple[Decision, ...]
    now: Explanation | None = None
    changes: tuple[str, ...] = ()


def account_of(server: Server, records: Sequence[Record]) -> Account:
    """Give the account as it was decided; `records` are of the server and of the request that it belongs to."""
    decisions = tuple(sorted(_decisions(records), key=lambda decision: decision.at))
    boot = next((record for record in reversed(records) if record.row["workflow"] == BOOT.name), None)
    failed = boot is not None and boot.row["outcome"] == "failed"
    return Account(
        server=server.id,
        state=server.state.value,
        host=server.host,
        cause=boot.row["message"] if boot is not None and failed else None,
        remedies=_remedies(boot, decisions) if boot is not None and failed else (),
        tried=tuple(f"{one.host}: {one.reason}" for one in boot.state.tried) if boot is not None else (),
        decisions=decisions,
    )


def request_to_repeat(records: Sequence[Record]) -> PlacementRequest | None:
    """Give what the server's boot asked of a host, to ask it again; None when no boot of it is kept."""
    for record in reversed(records):
        if record.row["workflow"] == BOOT.name:
            return request_of(wire.from_plain(BootParams, record.row["params"]), record.row["project_id"] or "")
    return None


def with_now(account: Account, now: Explanation) -> Account:
    """Add how the same request looks at this moment, and what of that is new."""
    if not account.decisions:
        return dataclasses.replace(account, now=now)
    return dataclasses.replace(account, now=now, changes=tuple(_changes(account.decisions[-1].explanation, now)))


def _decisions(records: Sequence[Record]) -> Iterator[Decision]:
    for record in records:
        for fact in record.facts:
            if fact["fact"] == facts.DECISION and record.row["workflow"] in PLACING:
                why = wire.from_plain(Explanation, fact["why"])
                yield Decision(at=fact["at"], operation=record.row["id"], step=fact["step"], explanation=why)


def _remedies(boot: Record, decisions: Sequence[Decision]) -> tuple[str, ...]:
    step = boot.state.failure.step if boot.state.failure is not None else None
    if step in REMEDIES:
        return (REMEDIES[step],)
    if not decisions:
        return ()
    last = decisions[-1].explanation
    if last.remedies:
        return last.remedies
    return (f"make room for {last.asked.ram_mib} MiB and {last.asked.vcpus} vCPUs more: others were faster, or ask for fewer",)


def _changes(then: Explanation, now: Explanation) -> Iterator[str]:
    """Say what differs: numbers first, then hosts that both explanations name."""
    if then.hosts_seen != now.hosts_seen:
        yield f"{then.hosts_seen} hosts then, {now.hosts_seen} now"
    if then.fitting != now.fitting:
        yield f"{then.fitting} of them fitted then, {now.fitting} now"
    before, after = ({one.host: _verdict(one) for one in side.verdicts} for side in (then, now))
    differing = [name for name in before if name in after and before[name] != after[name]]
    for name in differing[:CHANGES_SHOWN]:
        yield f"{name}: {before[name]} then; {after[name]} now"
    if len(differing) > CHANGES_SHOWN:
        yield f"and {len(differing) - CHANGES_SHOWN} more hosts"


def _verdict(verdict: Verdict) -> str:
    return ", ".join(one.reason for one in verdict.refusals) or "fitted"
