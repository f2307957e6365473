"""Ports: made before a server that gets them, or looked at once it has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api import patience
from nova_lite.api.network.lists import Noun, answer_list, answer_one, seen_by
from nova_lite.api.network.owners import owner
from nova_lite.api.network.views import ports as views
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.model.ids import NetworkId, OperationId, PortId
from nova_lite.model.network import Port
from nova_lite.network import ports, records
from nova_lite.network.ports import NewPort
from nova_lite.network.records import PortFilter
from nova_lite.workflows import interfaces

_ANY = Port(id=PortId(""), network_id=NetworkId(""), project_id=None, name="", mac_address="", fixed_ips=())
NOUN = Noun("port", frozenset(views.port(_ANY)), views.GUARDED)
CHANGEABLE = ("name", "admin_state_up", "device_owner", "description")


def list_ports(request: Request) -> Answer:
    """List the project's ports; all of them for who sees all projects."""
    wanted = PortFilter(id=_only(request, "id"), project_id=seen_by(request), server_id=_only(request, "device_id") or None)
    with request.parts.network.database.read() as tx:
        found = records.list_ports(tx, wanted)
    return answer_list(request, NOUN, map(views.port, found))


def _only(request: Request, name: str) -> str | None:
    """Give a filter's value when there is just one: the database looks for it."""
    values = request.query.get(name, ())
    return values[0] if len(values) == 1 else None


def show_port(request: Request) -> Answer:
    """Show one port."""
    with request.parts.network.database.read() as tx:
        return answer_one(request, NOUN, views.port(_port(request, tx)))


def _port(request: Request, tx: Tx) -> Port:
    """Give the port of the path, if it is the caller's and the route's rule lets them. Raises: NotFound; Forbidden."""
    wanted = request.params["port_id"]
    try:
        port = records.get_port(tx, wanted, project_id=seen_by(request))
    except errors.NotFound as error:
        raise NOUN.missing(wanted) from error
    request.enforce(target={"project_id": port.project_id})
    return port


def create_port(request: Request) -> Answer:
    """Add a port with an address."""
    asked = request.body["port"]
    project_id = owner(request, asked)
    subnet_id, ip_address = _address(request, asked) or (None, None)
    if "mac_address" in asked:
        request.enforce("create_port:mac_address")
    wanted = NewPort(
        network_id=asked["network_id"],
        project_id=project_id,
        name=asked.get("name", ""),
        subnet_id=subnet_id,
        ip_address=ip_address,
        mac_address=asked.get("mac_address"),
        device_owner=asked.get("device_owner", ""),
        admin_state_up=asked.get("admin_state_up", True),
        description=asked.get("description", ""),
    )
    port = request.parts.network.database.transact(lambda tx: ports.create(tx, wanted, seen_by=seen_by(request)))
    return answer_one(request, NOUN, views.port(port), status=201)


def _address(request: Request, asked: Mapping[str, Any]) -> tuple[str | None, str | None] | None:
    """Give the subnet and the address asked for, each perhaps None; None when neither is spoken of. Raises: Forbidden."""
    if "fixed_ips" not in asked:
        return None
    fixed = asked["fixed_ips"][0]
    if "ip_address" in fixed:
        request.enforce(f"{request.route.rule}:fixed_ips:ip_address")
    return fixed.get("subnet_id"), fixed.get("ip_address")


def update_port(request: Request) -> Answer:
    """Change a port."""
    asked = request.body["port"]
    changes = {name: asked[name] for name in CHANGEABLE if name in asked}
    address = _address(request, asked)

    def work(tx: Tx) -> Port:
        port = _port(request, tx)
        if "device_id" in asked and port.server_id is not None:
            raise errors.Conflict(
                "A server gives a port back when it is deleted, or when the port is detached (Compute API, os-interface).",
                type="PortInUse",
            )
        ports.update(tx, port, changes, address)
        return records.get_port(tx, port.id)

    return answer_one(request, NOUN, views.port(request.parts.network.database.transact(work)))


def delete_port(request: Request) -> Answer:
    """Remove a port. One that a server has leaves its guest first; that goes on, durably, where it takes longer than we wait.

    Raises: NotFound; Conflict when the server cannot let go of it now.
    """
    with request.parts.network.database.read() as tx:
        port = _port(request, tx)
    try:
        if port.server_id is None:
            operation_id = _remove(request)
        else:
            operation_id = patience.in_turn(request, port.server_id, lambda: _remove(request))
        if operation_id is not None:
            patience.wait_for_end(request, operation_id)
    except (errors.Conflict, patience.OperationFailed) as error:
        raise errors.Conflict(
            f"Unable to complete operation on port {port.id}: it is attached to server {port.server_id}. {error.message}",
            type="PortInUse",
        ) from error
    return Answer(status=204)


def _remove(request: Request) -> OperationId | None:
    """Remove a free port now, or accept the operation that takes a server's one away. Raises: NotFound; Conflict."""
    network, desk = request.parts.network, request.parts.desk

    def work(tx: Tx) -> OperationId | None:
        port = _port(request, tx)
        if port.server_id is None:
            ports.delete(tx, port)
            return None
        accepted: OperationId | None = interfaces.accept_removal(desk, network, tx, request.context, port.server_id, port.id)
        if accepted is None:
            network.remove_port(tx, port.server_id, port.id)
        elif records.get_port(tx, port.id).server_id != port.server_id:
            raise errors.Conflict("It went to another server meanwhile.")
        return accepted

    removed: OperationId | None = network.database.transact(work)
    return removed
