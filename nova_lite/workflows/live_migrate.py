"""Live migration: a running guest goes to another host with its memory and its disks, and hardly notices.

The target makes ready first; the source then hands the guest over, through the target's door (compute/moving). Until the source
says that the guest runs elsewhere it is the source's, and all is undone by staying there; from then on there is no way back.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Mapping

from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import (
    Done,
    Outside,
    Record,
    Run,
    StepFailed,
    Transient,
    Wait,
    Workflow,
    minutes,
    seconds,
)
from nova_lite.inventory import claims, hosts
from nova_lite.model.flavor import Flavor
from nova_lite.model.host import HostFacts
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.migration import Migration, MigrationStatus, MigrationType
from nova_lite.model.placement import Hints, PlacementRequest
from nova_lite.model.resources import ClaimRole
from nova_lite.model.server import RequestedNetwork, TaskState
from nova_lite.rpc.commands import FinishLive, MigrateLive, MoveSource, PrepareLive, StayLive
from nova_lite.servers import moves, records
from nova_lite.workflows import delete, placing
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.orders import (
    direct_boot,
    guest_spec,
    head,
    image_under,
    insisted,
    notice_of,
    obeyed,
    remove_from,
    removed_for_certain,
)
from nova_lite.workflows.placing import CHOOSE_S, Chosen, Claimed
from nova_lite.workflows.ports import Ports
from nova_lite.workflows.resize import TOKEN_BYTES, hints_of

REPEAT_S = 30.0
MOVED = "moved"  # the code of a host that does not have the guest any more


@dataclasses.dataclass(frozen=True, kw_only=True)
class LiveParams:
    """What moves, from where. `dest`: a host that was named. `token` opens the target's door to the source."""

    server_id: ServerId
    source: HostName
    flavor: Flavor
    dest: HostName | None = None
    image_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    zone: str | None = None
    networks: tuple[RequestedNetwork, ...] = ()
    hints: Hints = dataclasses.field(default_factory=Hints)
    token: str = dataclasses.field(default="", metadata={"secret": True})  # emptied at the end


def choose_hosts(run: Run[LiveParams]) -> Done | Wait:
    """Ask the scheduler, and leave out hosts whose processors cannot go on with the guest.

    Raises: StepFailed when no host is left; Unavailable when no scheduler answers.
    """
    _mark_outside(run, MigrationStatus.QUEUED)
    chosen = placing.choose(run, _request(run))
    if not isinstance(chosen, Done) or not isinstance(chosen.result, Chosen):
        return chosen
    ports: Ports = run.ports
    with ports.database.read() as tx:
        mine = hosts.get_host(tx, run.params.source).facts
        able = tuple(host for host in chosen.result.hosts if can_go_on(mine, hosts.get_host(tx, host).facts))
    if not able:
        raise StepFailed("No host can take the server: none has a processor like its host's.", code=409)
    return Done(dataclasses.replace(chosen.result, hosts=able))


def can_go_on(source: HostFacts, target: HostFacts) -> bool:
    """Whether a guest that runs on one host can go on on another: hypervisor, architecture and features of the processor."""
    mine, theirs = (json.loads(facts.cpu_info or "{}") for facts in (source, target))
    same = all(mine.get(name) == theirs.get(name) for name in ("arch", "vendor"))
    features = set(mine.get("features", ())) <= set(theirs.get("features", ()))
    newer = target.hypervisor_version >= source.hypervisor_version
    return same and features and newer and source.hypervisor_type == target.hypervisor_type and target.moves is not None


def _request(run: Run[LiveParams]) -> PlacementRequest:
    return placing.request_to_move(run, run.params.flavor, leaves=run.params.source)


def claim_host(run: Run[LiveParams]) -> Done:
    """Take room on a host that fits, beside what the server holds where it is. Raises: Back to choose anew."""
    done = placing.claim_first_fit(run, _request(run), ClaimRole.INCOMING)
    assert isinstance(done.result, Claimed)  # noqa: S101 - for the type checker
    _mark(run, MigrationStatus.PREPARING, dest=done.result.host)
    return done


def release_claim(run: Run[LiveParams]) -> Done:
    """Give the room back; where the guest moved after all, that where it was."""
    if _has_moved(run.tx, run):
        _settle(run)
        return Done()
    return placing.release(run, ClaimRole.INCOMING)


def prepare_target(run: Run[LiveParams]) -> Done | Wait:
    """Have the target make ready for the guest: its image, empty disks, taps. Raises: Back to another host; StepFailed."""
    ports, params, host = run.ports, run.params, run.out(Claimed).host
    report = run.report()
    if report is not None:
        report.raise_if_fault(back_to="claim_host")
        return Done()
    standing = ports.hosts.look(host)
    if standing is None or standing.lost:
        raise StepFailed(f"Host {host} is down.", code=409)
    with ports.database.read() as tx:
        server = records.get(tx, params.server_id)
    image = image_under(ports, server, host)
    bound = ports.network.bound_ports(params.server_id, params.networks)
    interfaces, direct = tuple(port.interface for port in bound), direct_boot(ports, server.image_properties, host)
    spec = guest_spec(server, image, interfaces, direct=direct)
    ports.compute.order(host, PrepareLive(head=head(run, standing), spec=spec, token=params.token))
    run.sent(host, run.step)
    return Wait(REPEAT_S, host)


def clear_target(run: Run[LiveParams]) -> Done | Wait:
    """Have the target forget all of it; where the guest moved after all, the source does."""
    ports: Ports = run.ports
    with ports.database.read() as tx:
        moved = _has_moved(tx, run)
    claimed = run.find_out(Claimed)
    if moved:
        ports.network.bind_ports(run.params.server_id, run.out(Claimed).host)
        return remove_from(run, run.params.source)
    return Done() if claimed is None else removed_for_certain(run, claimed.host)


def migrate_live(run: Run[LiveParams]) -> Done | Wait:
    """Have the source hand the guest over. Its report says where the guest runs. Raises: StepFailed when it stayed."""
    ports, params, host = run.ports, run.params, run.out(Claimed).host
    if run.report() is None:
        _mark_outside(run, MigrationStatus.RUNNING)
    with ports.database.read() as tx:
        facts = hosts.get_host(tx, host).facts
    if facts.moves is None:
        raise StepFailed("The chosen host takes no guests over: its daemon is of an older release.", code=409)
    target = MoveSource(
        host=host,
        address=facts.host_ip,
        port=facts.moves.port,
        fingerprint=facts.moves.fingerprint,
        token=params.token,
    )
    return obeyed(run, params.source, lambda head: MigrateLive(head=head, target=target))


def stay(run: Run[LiveParams]) -> Done | Wait:
    """Have the source give the migration up and keep the guest; when it has gone already, that is how it stays."""
    report = run.report()
    if report is not None and not report.ok:
        if report.code != MOVED:
            raise Transient(report.message)
        _mark_outside(run, MigrationStatus.POST_MIGRATING)
        return Done()
    return insisted(run, run.params.source, lambda head: StayLive(head=head))


def finish_live(run: Run[LiveParams]) -> Done | Wait:
    """Have the target look that the guest runs there, and bind the ports to it."""
    ports, host = run.ports, run.out(Claimed).host
    _mark_outside(run, MigrationStatus.POST_MIGRATING)
    ports.network.bind_ports(run.params.server_id, host)
    return insisted(run, host, lambda head: FinishLive(head=head))


def clear_source(run: Run[LiveParams]) -> Done | Wait:
    """Have the source forget what it still has of the guest; a host that is down does so when it returns."""
    return remove_from(run, run.params.source)


def mark_moved(run: Run[LiveParams]) -> Done:
    """Settle the server on its new host."""
    _settle(run)
    records.announce(run.tx, run.params.server_id, "live_migration_post_dest.end", notice_of(run))
    return Done()


def _settle(run: Run[LiveParams]) -> None:
    server_id = run.params.server_id
    claims.release(run.tx, server_id, ClaimRole.CURRENT)
    claims.turn(run.tx, server_id, ClaimRole.INCOMING, ClaimRole.CURRENT)
    records.update(run.tx, server_id, host=run.out(Claimed).host, fault=None)
    _mark(run, MigrationStatus.COMPLETED)


def give_up(run: Run[LiveParams]) -> None:
    """Leave the server where it is."""
    _mark(run, MigrationStatus.ERROR)
    records.announce(run.tx, run.params.server_id, "live_migration_rollback.end", notice_of(run))


def cancelled(run: Run[LiveParams]) -> None:
    """Leave the server where it is, as was asked."""
    _mark(run, MigrationStatus.CANCELLED)
    records.announce(run.tx, run.params.server_id, "live_migration_abort.end", notice_of(run))


def _record(tx: Tx, run: Run[LiveParams]) -> Migration | None:
    return moves.of_operation(tx, run.params.server_id, run.operation_id)


def _has_moved(tx: Tx, run: Run[LiveParams]) -> bool:
    """Whether the guest had gone when the operation was told to stay."""
    found = _record(tx, run)
    return found is not None and found.status is MigrationStatus.POST_MIGRATING


def _mark(run: Run[LiveParams], status: MigrationStatus, *, dest: HostName | None = None) -> None:
    found = _record(run.tx, run)
    if found is not None:
        moves.mark(run.tx, found.id, status, dest=dest)


def _mark_outside(run: Run[LiveParams], status: MigrationStatus) -> None:
    def work(tx: Tx) -> None:
        found = _record(tx, run)
        if found is not None and found.status is not status:
            moves.mark_under_way(tx, found.id, status)

    ports: Ports = run.ports
    ports.database.transact(work)


LIVE_MIGRATE = Workflow(
    name="live_migrate",
    version=1,
    params=LiveParams,
    steps=(
        #        name              do              undo           shown as             deadline
        Outside("choose_hosts", choose_hosts, None, TaskState.MIGRATING, seconds(CHOOSE_S)),  # reads only
        Record("claim_host", claim_host, release_claim, TaskState.MIGRATING, seconds(60)),
        Outside("prepare_target", prepare_target, clear_target, TaskState.MIGRATING, minutes(30)),
        # What has not gone within this time stays: the guest is not stopped to force it.
        Outside("migrate_live", migrate_live, stay, TaskState.MIGRATING, minutes(30)),
        # No undo from here: the guest runs on the target.
        Outside("finish_live", finish_live, None, TaskState.MIGRATING, minutes(5), commits=True),
        Outside("clear_source", clear_source, None, TaskState.MIGRATING, minutes(10), commits=True),
        Record("mark_moved", mark_moved, None, TaskState.MIGRATING, seconds(60), commits=True),
    ),
    on_failure=give_up,
    on_cancel=cancelled,
    on_delete=delete.begin_after,
)


def accept(desk: Desk, context: Context, server_id: ServerId, *, host: HostName | None = None) -> None:
    """Accept a live migration, to a host that is named or one that the scheduler chooses. Raises: NotFound; Conflict."""

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "os-migrateLive")
        source = host_of(server)
        params = LiveParams(
            server_id=server_id,
            source=source,
            flavor=server.flavor,
            dest=host,
            image_properties=server.image_properties,
            zone=server.requested_zone,
            networks=server.requested_networks,
            hints=hints_of(tx, server),
            token=secrets.token_urlsafe(TOKEN_BYTES),
        )
        beginning = Beginning(server=server, workflow=LIVE_MIGRATE, params=params, event="live_migration_pre", closes=True)
        operation_id = begin(desk, tx, context, beginning)
        move = moves.Move(type=MigrationType.LIVE, status=MigrationStatus.ACCEPTED, dest=host, user_id=context.user_id)
        moves.begin(tx, server, source, operation_id, move)

    desk.database.transact(work)
