"""Placing: choosing a host for a server and taking room there, as every workflow does that brings a server to a host.

`choose` is the body of an Outside step, `claim_first_fit` of the Record step behind it, `release` the undo of that one.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.durable.workflow import Back, Done, Run, StepFailed, Wait
from nova_lite.inventory import claims, hosts
from nova_lite.model.flavor import Flavor
from nova_lite.model.hardware import reading
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.placement import PlacementRequest, Ranking, Refusal
from nova_lite.model.resources import ClaimRole
from nova_lite.rpc.port import Envelope
from nova_lite.servers import groups
from nova_lite.workflows.ports import HostsPort, Ports

AGAIN_S = 1.0
PATIENCE_S = 30.0  # so long hosts may take to be heard again after an outage of the broker
CHOOSE_S = 60.0  # the deadline of a step that chooses
REFUSALS_KEPT = 10  # with a success; a failure keeps what fits into 64 KiB


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chosen:
    """The scheduler's answer, as it is kept: hosts best first, some refusals, and the counts of all."""

    hosts: tuple[HostName, ...]
    refusals: tuple[Refusal, ...] = ()
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    hosts_seen: int = 0
    on_trial: tuple[HostName, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claimed:
    """The host whose room is taken."""

    host: HostName


def choose(run: Run[Any], request: PlacementRequest) -> Done | Wait:
    """Ask the scheduler for hosts, best first; `request.avoid` names those that are out of the question.

    Raises: StepFailed when no host fits, with each host's reason; Unavailable when no scheduler answers.
    """
    ports: Ports = run.ports
    ranking = ports.scheduler.rank(with_neighbours(ports, request), Envelope(request_id=run.request_id))
    if ranking.explanation is not None:
        run.explain(ranking.explanation)
    if not ranking.hosts:
        if may_change(ranking, ports.hosts, run.time_left_s):
            return Wait(AGAIN_S)
        raise no_host(ranking, run.reasons_tried)
    return Done(
        Chosen(
            hosts=ranking.hosts,
            refusals=ranking.refusals[:REFUSALS_KEPT],
            counts=ranking.counts,
            hosts_seen=ranking.hosts_seen,
            on_trial=ranking.on_trial,
        )
    )


def request_to_move(run: Run[Any], flavor: Flavor, *, leaves: HostName | None) -> PlacementRequest:
    """Say what a server needs of the host it moves to, being of a flavor there; `leaves` is out of the question.

    The operation's parameters have `server_id`, `dest` (a host that was named), `zone`, `image_properties` and `hints`.
    """
    params = run.params
    hardware = reading.understood(flavor, params.image_properties)
    return PlacementRequest(
        server_id=params.server_id,
        project_id=run.project_id,
        asked=hardware.needs(flavor.resources(), flavor.ram_mib),
        hardware=hardware,
        zone=params.zone,
        host=params.dest,
        avoid=run.hosts_tried,
        leaves=leaves,
        image_properties=params.image_properties,
        extra_specs=flavor.extra_specs,
        flavor_name=flavor.name,
        hints=params.hints,
    )


def may_change(ranking: Ranking, known: HostsPort, time_left_s: float) -> bool:
    """Whether a step of `CHOOSE_S` had better ask again: a host that is silent now may be heard again in a moment.

    After an outage of the broker that is so however long the silence was: it was not the hosts' own.
    """
    return (ranking.passing or known.heard_for_s() < PATIENCE_S) and time_left_s > CHOOSE_S - PATIENCE_S


def no_host(ranking: Ranking, tried: Mapping[HostName, str]) -> StepFailed:
    """Make the fault of a request that fits nowhere: a sentence without host names for the user, each host for the operator.

    `tried` are the hosts on which it failed, each with its reason; users are told the last one.
    """
    details = "\n".join(
        f"{refusal.host}: {tried.get(refusal.host, refusal.detail or refusal.reason)}" for refusal in ranking.refusals
    )
    said = ranking.sentence
    if tried:
        said += f"; the last attempt: {_without_names(list(tried.values())[-1], tried)}"
    return StepFailed(f"No host can take the server: {said.rstrip('.')}.", details=details or None)


def _without_names(reason: str, hosts: Iterable[HostName]) -> str:
    """Keep from the user which hosts there are."""
    for host in hosts:
        reason = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-]|\.\w)", "the host", reason)
    return reason


def with_neighbours(ports: Ports, request: PlacementRequest) -> PlacementRequest:
    """Add where the servers live now that the request's hints speak of; nothing to read for most requests."""
    if not request.hints.name_servers:
        return request
    with ports.database.read() as tx:
        found = groups.neighbours(tx, request.hints, server_id=request.server_id, project_id=request.project_id)
    return dataclasses.replace(request, neighbours=found)


def claim_first_fit(
    run: Run[Any], request: PlacementRequest, role: ClaimRole = ClaimRole.CURRENT, *, back_to: str = "choose_hosts"
) -> Done:
    """Take room on the first host of the ranking that still has it and that the server's group still allows.

    Raises: Back to choose anew when there is none.
    """
    chosen, server_id = run.out(Chosen), ServerId(request.server_id)
    rule = groups.rule_for(run.tx, request.hints.group_id, server_id, lock=True)
    for host in chosen.hosts:
        if host in run.hosts_tried or (rule is not None and not rule.allows(host)):
            continue
        try:
            claims.claim(run.tx, host, server_id, request.asked, role, zone=request.zone)
        except errors.NoRoom:
            continue
        if host in chosen.on_trial and not hosts.begin_trial(run.tx, host):
            claims.release(run.tx, server_id, role)
            continue
        return Done(Claimed(host=host))
    raise Back(back_to, "No host of the ranking could take the server any more by the time it was claimed.")


def release(run: Run[Any], role: ClaimRole = ClaimRole.CURRENT) -> Done:
    """Give the room back. May be repeated, and when none was taken."""
    claims.release(run.tx, ServerId(run.subject_id), role)
    return Done()
