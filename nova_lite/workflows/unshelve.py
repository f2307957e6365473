"""Unshelve: a shelved server runs again, on its host if it never left it, else on one that is chosen anew, from its image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Back, Done, Outside, Record, Run, StepFailed, Wait, Workflow, minutes, seconds
from nova_lite.model.guest import GuestInterface, PowerState
from nova_lite.model.hardware import reading
from nova_lite.model.hardware.guest import PLAIN, GuestHardware
from nova_lite.model.ids import HostName, ImageId, ServerId
from nova_lite.model.placement import Hints, PlacementRequest
from nova_lite.model.resources import Resources
from nova_lite.model.server import RequestedNetwork, Server, ServerAddress, ServerState, TaskState
from nova_lite.network.port import shown_addresses
from nova_lite.rpc.commands import EnsureGuest, EnsurePower, Power
from nova_lite.servers import records
from nova_lite.workflows import delete, placing
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.orders import REPEAT_S, direct_boot, guest_spec, head, notice_of, obeyed, remove_from
from nova_lite.workflows.placing import CHOOSE_S, Claimed
from nova_lite.workflows.ports import Ports

EVENT = "unshelve"
TICKET_S = 1800.0  # how long the host may take to fetch the image


@dataclasses.dataclass(frozen=True, kw_only=True)
class PowerUpParams:
    """Who is turned on again, on its host, and the image that is of no more use then."""

    server_id: ServerId
    host: HostName
    image_id: ImageId | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnshelveParams:
    """What the choice of a host needs, the image that has the disk, and how the ports were asked for."""

    server_id: ServerId
    asked: Resources
    image_id: ImageId
    hardware: GuestHardware = PLAIN
    zone: str | None = None
    host: HostName | None = None
    image_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    flavor_name: str = ""
    hints: Hints = dataclasses.field(default_factory=Hints)
    networks: tuple[RequestedNetwork, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortsBound:
    """The guest's interfaces in order, and what the Compute API shows of them."""

    interfaces: tuple[GuestInterface, ...]
    addresses: tuple[ServerAddress, ...]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a server is to be unshelved to. `pins`: the zone replaces the one that it was made for (None: it has none)."""

    host: HostName | None = None
    zone: str | None = None
    pins: bool = False

    def __bool__(self) -> bool:
        """Whether anything was asked."""
        return self.pins or self.host is not None


def power_on(run: Run[PowerUpParams]) -> Done | Wait:
    """Have the guest running."""
    return obeyed(run, run.params.host, lambda top: EnsurePower(head=top, power=Power.ON))


def power_off(run: Run[PowerUpParams]) -> Done | Wait:
    """Have it off, as shelved servers are; one that cannot be is told by its host."""
    ports, host = run.ports, run.params.host
    standing = ports.hosts.look(host)
    if run.report() is not None or standing is None or standing.lost:
        return Done()
    ports.compute.order(host, EnsurePower(head=head(run, standing), power=Power.OFF, graceful_s=0.0))
    run.sent(host, "ensure_power")
    return Wait(REPEAT_S, host)


def mark_on(run: Run[PowerUpParams]) -> Done:
    """Settle the server as ACTIVE where it was, and delete its image."""
    _settle(run, {})
    return Done()


def choose_hosts(run: Run[UnshelveParams]) -> Done | Wait:
    """Ask the scheduler. Raises: as `placing.choose`."""
    return placing.choose(run, _request(run))


def claim_host(run: Run[UnshelveParams]) -> Done:
    """Take room on the best host that has it. Raises: Back."""
    return placing.claim_first_fit(run, _request(run))


def _request(run: Run[UnshelveParams]) -> PlacementRequest:
    params = run.params
    return PlacementRequest(
        server_id=params.server_id,
        project_id=run.project_id,
        asked=params.asked,
        hardware=params.hardware,
        zone=params.zone,
        host=params.host,
        avoid=run.hosts_tried,
        image_properties=params.image_properties,
        extra_specs=params.extra_specs,
        flavor_name=params.flavor_name,
        hints=params.hints,
    )


def bind_ports(run: Run[UnshelveParams]) -> Done:
    """Bind the server's ports, which it has kept, to the new host."""
    ports: Ports = run.ports
    bound = ports.network.bind_ports(run.params.server_id, run.out(Claimed).host, run.params.networks)
    interfaces = tuple(port.interface for port in bound)
    return Done(PortsBound(interfaces=interfaces, addresses=shown_addresses(bound)))


def start_guest(run: Run[UnshelveParams]) -> Done | Wait:
    """Have the chosen host make the guest from the shelved image.

    Raises: Back to another host when this one is at fault or lost; StepFailed when no host could cure it.
    """
    ports, params, host = run.ports, run.params, run.out(Claimed).host
    report = run.report()
    if report is not None:
        report.raise_if_fault(back_to="claim_host")
        ports.network.mark_active(params.server_id)
        return Done()
    standing = ports.hosts.look(host)
    if standing is None or standing.lost:
        raise Back("claim_host", "The host was lost while it unshelved the server.", host=host)
    with ports.database.read() as tx:
        server = records.get(tx, params.server_id)
    try:
        image = ports.images.source_for(params.image_id, host, valid_s=TICKET_S)
    except (errors.NotFound, errors.Conflict) as error:
        raise StepFailed(f"The server's shelved image cannot be used: {error.message}", code=error.status) from error
    direct = direct_boot(ports, server.image_properties, host)
    # Its image is deleted afterwards, so the disk must not lie on it.
    spec = dataclasses.replace(guest_spec(server, image, run.out(PortsBound).interfaces, direct=direct), flat=True)
    ports.compute.order(host, EnsureGuest(head=head(run, standing), spec=spec))
    run.sent(host, "ensure_guest")
    return Wait(REPEAT_S, host)


def remove_guest(run: Run[UnshelveParams]) -> Done | Wait:
    """Have the host remove what it built; a host that is down is left a tombstone."""
    return remove_from(run, run.out(Claimed).host)


def mark_active(run: Run[UnshelveParams]) -> Done:
    """Settle the server as ACTIVE on its host, and delete the image that it was kept in."""
    _settle(run, {"host": run.out(Claimed).host, "flat_disk": True, "addresses": run.out(PortsBound).addresses})
    return Done()


def _settle(run: Run[Any], more: Mapping[str, Any]) -> None:
    ports: Ports = run.ports
    records.update(
        run.tx,
        run.params.server_id,
        state=ServerState.ACTIVE,
        power_state=PowerState.RUNNING,
        launched_at=run.tx.database.clock.wall(),
        shelved_image_id=None,
        shelved_at=None,
        fault=None,
        **more,
    )
    if run.params.image_id is not None:
        ports.images.discard(run.tx, run.params.image_id)
    records.announce(run.tx, run.params.server_id, f"{EVENT}.end", notice_of(run))


def tell_failure(run: Run[Any]) -> None:
    """Tell other services; the server is shelved as it was, and the reason stands in its events."""
    records.announce(run.tx, run.params.server_id, f"{EVENT}.error", notice_of(run))


POWER_UP = Workflow(
    name="unshelve_in_place",
    version=1,
    params=PowerUpParams,
    steps=(
        Outside("power_on", power_on, power_off, TaskState.UNSHELVING, minutes(5)),
        Record("mark_on", mark_on, None, TaskState.UNSHELVING, seconds(60)),  # the last: failing it undoes the other
    ),
    on_failure=tell_failure,
    on_delete=delete.begin_after,
)

UNSHELVE = Workflow(
    name="unshelve",
    version=1,
    params=UnshelveParams,
    steps=(
        #        name            do            undo             shown as              deadline
        Outside("choose_hosts", choose_hosts, None, TaskState.UNSHELVING, seconds(CHOOSE_S)),  # reads only
        Record("claim_host", claim_host, placing.release, TaskState.UNSHELVING, seconds(60)),
        # No undo: ports of a shelved server are nowhere in use, and the next host binds them again.
        Outside("bind_ports", bind_ports, None, TaskState.UNSHELVING, minutes(2)),
        Outside("start_guest", start_guest, remove_guest, TaskState.SPAWNING, minutes(30)),
        Record("mark_active", mark_active, None, TaskState.SPAWNING, seconds(60)),  # the last: failing it undoes the others
    ),
    on_failure=tell_failure,
    on_delete=delete.begin_after,
)


def accept(desk: Desk, context: Context, server_id: ServerId, place: Place) -> None:
    """Accept that a server runs again.

    Raises: NotFound; Conflict when its state or a running operation does not allow it, when a place is asked for one that
    never left its host, or when its image is gone.
    """
    desk.database.transact(lambda tx: _accept(desk, tx, context, server_id, place))


def _accept(desk: Desk, tx: Tx, context: Context, server_id: ServerId, place: Place) -> None:
    server = ready(tx, server_id, "unshelve")
    if server.state is ServerState.SHELVED:
        if place:
            raise errors.Conflict("Only a server that has left its host can be unshelved to a zone or a host.")
        here = PowerUpParams(server_id=server.id, host=host_of(server), image_id=server.shelved_image_id)
        begin(desk, tx, context, Beginning(server=server, workflow=POWER_UP, params=here, event=EVENT, closes=True))
        return
    params = _params(server, place)
    begin(desk, tx, context, Beginning(server=server, workflow=UNSHELVE, params=params, event=EVENT, closes=True))
    if place.pins:
        records.update(tx, server.id, requested_zone=place.zone)


def _params(server: Server, place: Place) -> UnshelveParams:
    if server.shelved_image_id is None:
        raise errors.Conflict(f"Server {server.id} has no image that it was shelved in.")
    group = server.scheduler_hints.get("group")
    hardware = reading.understood(server.flavor, server.image_properties)
    return UnshelveParams(
        server_id=server.id,
        asked=hardware.needs(server.flavor.resources(), server.flavor.ram_mib),
        hardware=hardware,
        image_id=server.shelved_image_id,
        zone=place.zone if place.pins else server.requested_zone,
        host=place.host,
        image_properties=server.image_properties,
        extra_specs=server.flavor.extra_specs,
        flavor_name=server.flavor.name,
        hints=Hints(group_id=str(group) if group is not None else None),
        networks=server.requested_networks,
    )
