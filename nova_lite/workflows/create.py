"""Accepting a create request: servers, their boots and quota, in one transaction."""

from __future__ import annotations

import dataclasses

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable import journal
from nova_lite.model.hardware import reading
from nova_lite.model.ids import OperationId, ProjectId, ServerId
from nova_lite.model.placement import Hints, PlacementRequest
from nova_lite.model.server import Server, TaskState
from nova_lite.quota import usage
from nova_lite.servers import groups, records
from nova_lite.servers.notices import Notice
from nova_lite.workflows import books
from nova_lite.workflows.boot import BOOT, BootParams, request_of
from nova_lite.workflows.boot_many import BOOT_MANY, RESERVATION, BootManyParams, Member
from nova_lite.workflows.desk import SERVER, Desk


@dataclasses.dataclass(frozen=True, kw_only=True)
class CreateOrder:
    """Servers to be made, all alike but for their ids and names; at least `min_count` or none."""

    servers: tuple[Server, ...]
    min_count: int = 1
    admin_pass: str | None = None
    hints: Hints = dataclasses.field(default_factory=Hints)


def accept(desk: Desk, context: Context, order: CreateOrder) -> tuple[ServerId, ...]:
    """Accept the servers; give the ids of those that were accepted (quota may hold fewer than all, never under the least).

    Raises: OverQuota, and BadRequest when the group that they are to join is gone; then nothing is written.
    """
    return desk.database.transact(lambda tx: _accept(desk, tx, context, order))


def _accept(desk: Desk, tx: Tx, context: Context, order: CreateOrder) -> tuple[ServerId, ...]:
    project_id = order.servers[0].project_id
    servers = _reserve(tx, project_id, order)
    notice = Notice(
        user_id=context.user_id, project_id=project_id, request_id=context.request_id, task=TaskState.SCHEDULING.value
    )
    for server in servers:
        records.insert(tx, server)
        records.announce(tx, server.id, "create.start", notice)
    if order.hints.group_id is not None:
        groups.join(tx, order.hints.group_id, servers)
    if len(servers) == 1:
        desk.ring_after(tx, _boot(tx, context, servers[0], order))
    else:
        desk.ring_after(tx, _boot_many(tx, context, servers, order))
    return tuple(server.id for server in servers)


def _reserve(tx: Tx, project_id: ProjectId, order: CreateOrder) -> tuple[Server, ...]:
    """Take quota for all servers, or for as many as it holds if that is at least the least number."""
    flavor, user_id = order.servers[0].flavor, order.servers[0].user_id
    count = len(order.servers)
    try:
        limited = books.reserve(tx, project_id, flavor, count, user_id)
    except errors.OverQuota:
        if order.min_count == count:
            raise
        count = max(order.min_count, min(count, usage.room_for(tx, project_id, books.amounts(flavor))))
        limited = books.reserve(tx, project_id, flavor, count, user_id)
    if limited:
        books.require_room_of_user(tx, order.servers[0], count)
    return order.servers[:count]


def _boot(tx: Tx, context: Context, server: Server, order: CreateOrder, *, held_by: OperationId | None = None) -> OperationId:
    return journal.accept(
        tx,
        journal.NewOperation(
            workflow=BOOT,
            subject_kind=SERVER,
            subject_id=server.id,
            params=_params(server, order, batch=held_by is not None),
            project_id=server.project_id,
            user_id=context.user_id,
            request_id=context.request_id,
            held_by=held_by,
        ),
    )


def _boot_many(tx: Tx, context: Context, servers: tuple[Server, ...], order: CreateOrder) -> OperationId:
    parent = OperationId(journal.new_id())
    members = tuple(
        Member(server_id=server.id, operation_id=_boot(tx, context, server, order, held_by=parent)) for server in servers
    )
    return journal.accept(
        tx,
        journal.NewOperation(
            id=parent,
            workflow=BOOT_MANY,
            subject_kind=RESERVATION,
            subject_id=servers[0].reservation_id,
            params=BootManyParams(members=members, min_count=order.min_count, request=_request(servers, order)),
            project_id=servers[0].project_id,
            user_id=context.user_id,
            request_id=context.request_id,
        ),
    )


def _request(servers: tuple[Server, ...], order: CreateOrder) -> PlacementRequest:
    request = request_of(_params(servers[0], order, batch=True), servers[0].project_id)
    return dataclasses.replace(request, count=len(servers))


def _params(server: Server, order: CreateOrder, *, batch: bool) -> BootParams:
    hardware = reading.understood(server.flavor, server.image_properties)
    return BootParams(
        server_id=server.id,
        hostname=server.hostname,
        asked=hardware.needs(server.flavor.resources(), server.flavor.ram_mib),
        zone=server.requested_zone,
        host=server.requested_host,
        image_id=server.image_id,
        image_properties=server.image_properties,
        extra_specs=server.flavor.extra_specs,
        networks=server.requested_networks,
        batch=batch,
        flavor_name=server.flavor.name,
        hardware=hardware,
        hints=order.hints,
        admin_pass=order.admin_pass if server.config_drive else None,
    )
