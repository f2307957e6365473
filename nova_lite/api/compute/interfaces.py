"""A server's interfaces: its ports on the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_lite import errors
from nova_lite.api import patience
from nova_lite.api.compute.lookup import ready_server, server_of
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.model.ids import NetworkId
from nova_lite.model.network import Port
from nova_lite.model.server import RequestedNetwork, Server
from nova_lite.workflows import fixed_ips, interfaces
from nova_lite.workflows.interfaces import ACTION

View = dict[str, Any]


def _plain(server: Server, port: Port) -> View:
    return {
        "port_id": port.id,
        "net_id": port.network_id,
        "mac_addr": port.mac_address,
        "port_state": port.status,
        "fixed_ips": [{"subnet_id": one.subnet_id, "ip_address": one.ip_address} for one in port.fixed_ips],
    }


def _with_tag(server: Server, port: Port) -> View:
    tags = {one.port_id: one.tag for one in server.requested_networks if one.port_id is not None}
    return _plain(server, port) | {"tag": tags.get(port.id)}


VIEW: ByVersion[Callable[[Server, Port], View]] = ByVersion({"2.1": _plain, "2.70": _with_tag})


def _ports(request: Request) -> tuple[Server, tuple[Port, ...]]:
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    return server, request.parts.network.ports_of(server.id)


def list_interfaces(request: Request) -> Answer:
    """List a server's ports."""
    server, ports = _ports(request)
    view = VIEW.at(request.version)
    return Answer(body={"interfaceAttachments": [view(server, port) for port in ports]})


def show_interface(request: Request) -> Answer:
    """Show one of a server's ports."""
    server, ports = _ports(request)
    return Answer(
        body={"interfaceAttachment": VIEW.at(request.version)(server, _one(request, ports, request.params["port_id"]))}
    )


def _one(request: Request, ports: tuple[Port, ...], port_id: str) -> Port:
    for port in ports:
        if port.id == port_id:
            return port
    raise errors.NotFound(f"Instance {request.params['server_id']} does not have port with id {port_id}")


def attach_interface(request: Request) -> Answer:
    """Attach a port, or a new one, and show it: ACTIVE once the guest has it, DOWN while the host is still at it.

    Raises: what `accept_attach` does; what the host says when it cannot. The port is then as it was before.
    """
    wanted = _wanted((request.body or {}).get("interfaceAttachment") or {})
    parts = request.parts
    server_id = _ready(request).id
    port_id, operation_id = interfaces.accept_attach(parts.desk, parts.network, request.context, server_id, wanted)
    patience.wait_for_end(request, operation_id)
    server, ports = _ports(request)
    return Answer(body={"interfaceAttachment": VIEW.at(request.version)(server, _one(request, ports, port_id))})


def _wanted(asked: dict[str, Any]) -> RequestedNetwork:
    """Read what is to be attached. Raises: BadRequest."""
    if asked.get("net_id") and asked.get("port_id"):
        raise errors.BadRequest("Must not input both network_id and port_id")
    if asked.get("fixed_ips") and not asked.get("net_id"):
        raise errors.BadRequest("Must input network_id when request IP address")
    fixed = asked.get("fixed_ips")
    return RequestedNetwork(
        network_id=asked.get("net_id"),
        port_id=asked.get("port_id"),
        fixed_ip=fixed[0]["ip_address"] if fixed else None,
        tag=asked.get("tag"),
    )


def _ready(request: Request, action: str = ACTION) -> Server:
    with request.parts.database.read() as tx:
        return ready_server(request, tx, action)


def detach_interface(request: Request) -> Answer:
    """Accept that a server gives one of its ports up."""
    server = _ready(request)
    port = _one(request, request.parts.network.ports_of(server.id), request.params["port_id"])
    interfaces.accept_detach(request.parts.desk, request.context, server.id, port.id)
    return Answer(status=202)


def add_fixed_ip(request: Request) -> Answer:
    """Accept one address more in a network that the server has a port in."""
    parts, network_id = request.parts, NetworkId(str(request.body["addFixedIp"]["networkId"]))
    server = _ready(request, "addFixedIp")
    fixed_ips.accept_add(parts.desk, parts.network, request.context, server.id, network_id)
    return Answer(status=202)


def remove_fixed_ip(request: Request) -> Answer:
    """Accept one address less."""
    parts, address = request.parts, str(request.body["removeFixedIp"]["address"])
    server = _ready(request, "removeFixedIp")
    fixed_ips.accept_remove(parts.desk, parts.network, request.context, server.id, address)
    return Answer(status=202)
