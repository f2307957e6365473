"""Boot many: choose and claim for all servers of one request at once, then let their boots run.

Each server has its own boot from the start, held until this operation releases it: so each can be deleted meanwhile.
No room for the least number asked for: all fail.
"""

from __future__ import annotations

import dataclasses

from nova_lite import errors
from nova_lite.db.engine import Tx
from nova_lite.durable import journal
from nova_lite.durable.workflow import Back, Done, Outside, Priority, Record, Run, Wait, Workflow, seconds
from nova_lite.inventory import claims
from nova_lite.model.ids import HostName, OperationId, ServerId
from nova_lite.model.placement import PlacementRequest
from nova_lite.rpc.port import Envelope
from nova_lite.servers import groups
from nova_lite.workflows.placing import AGAIN_S, CHOOSE_S, Chosen, may_change, no_host, with_neighbours
from nova_lite.workflows.ports import Ports

RESERVATION = "reservation"  # the kind of subject that one create request of many servers is


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """One server of the request, and its held boot."""

    server_id: ServerId
    operation_id: OperationId


@dataclasses.dataclass(frozen=True, kw_only=True)
class BootManyParams:
    """The servers, the least number that makes sense, and what each needs of a host (all the same)."""

    members: tuple[Member, ...]
    min_count: int
    request: PlacementRequest


def choose_for_all(run: Run[BootManyParams]) -> Done | Wait:
    """Ask the scheduler once for all. Raises: StepFailed when no host fits even one; Unavailable."""
    ports: Ports = run.ports
    ranking = ports.scheduler.rank(with_neighbours(ports, run.params.request), Envelope(request_id=run.request_id))
    if ranking.explanation is not None:
        run.explain(ranking.explanation)
    if not ranking.hosts:
        if may_change(ranking, ports.hosts, run.time_left_s):
            return Wait(AGAIN_S)
        raise no_host(ranking, {})
    return Done(Chosen(hosts=ranking.hosts, counts=ranking.counts, hosts_seen=ranking.hosts_seen))


def claim_for_all(run: Run[BootManyParams]) -> Done:
    """Claim for every server that fits and let all boots run; those without room are told so.

    Raises: Back to choose anew when fewer than `min_count` fit the ranking (three times, then the request fails).
    """
    waiting = [member for member in run.params.members if _still_wanted(run.tx, member)]
    hosts = list(run.out(Chosen).hosts)
    placed = _place(run, waiting, hosts)
    if len(placed) < min(run.params.min_count, len(waiting)):
        raise Back("choose_for_all", f"Only {len(placed)} of {len(waiting)} servers fit.")
    for member in waiting:
        if member.server_id not in placed:
            _refuse(run.tx, member, f"{len(placed)} of {len(waiting)} servers fit on the hosts, this one did not.")
    for operation_id in journal.release(run.tx, run.operation_id):
        run.ring(operation_id)
    return Done()


def _still_wanted(tx: Tx, member: Member) -> bool:
    """A server whose deletion was asked while it waited gets no room: its boot ends as it is released."""
    return not any(signal.name == "delete" for signal in journal.signals_of(tx, member.operation_id))


def _place(run: Run[BootManyParams], members: list[Member], hosts: list[HostName]) -> set[ServerId]:
    """Claim around the ranking, one server a host in turn, so that a batch spreads; a group that gathers fills the first."""
    placed: set[ServerId] = set()
    request = run.params.request
    rule = groups.rule_for(run.tx, request.hints.group_id, request.server_id, lock=True)
    for member in members:
        while hosts:
            host = hosts.pop(0)
            if rule is not None and not rule.allows(host):
                continue  # what a group forbids now it forbids for the rest of the batch
            try:
                claims.claim(run.tx, host, member.server_id, request.asked, zone=request.zone)
            except errors.NoRoom:
                continue  # full: it is not asked again
            rule = None if rule is None else rule.with_one_on(host)
            placed.add(member.server_id)
            hosts.insert(0 if rule is not None and rule.gathers else len(hosts), host)
            break
    return placed


def _refuse(tx: Tx, member: Member, message: str) -> None:
    journal.send_signal(tx, member.operation_id, "no_room", {"message": f"No host can take the server: {message}"})


def refuse_all(run: Run[BootManyParams]) -> None:
    """Let every held boot run into the reason why there is no room."""
    message = run.failure.message if run.failure else "The request was cancelled."
    for member in run.params.members:
        journal.send_signal(run.tx, member.operation_id, "no_room", {"message": message})
    for operation_id in journal.release(run.tx, run.operation_id):
        run.ring(operation_id)


BOOT_MANY = Workflow(
    name="boot_many",
    version=1,
    params=BootManyParams,
    steps=(
        Outside("choose_for_all", choose_for_all, None, None, seconds(CHOOSE_S)),  # reads only: nothing to undo
        # The last step, all in one transaction: failing it leaves nothing to undo.
        Record("claim_for_all", claim_for_all, None, None, seconds(60)),
    ),
    priority=Priority.BOOT,
    on_failure=refuse_all,
    on_cancel=refuse_all,
)
