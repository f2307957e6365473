"""A server's interfaces: its ports on the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_lite import errors
from nova_lite.api.compute.later_actions import not_yet
from nova_lite.api.compute.lookup import ready_server, server_of
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.model.network import Port
from nova_lite.model.server import Server

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
    return Answer(body={"interfaceAttachment": VIEW.at(request.version)(server, _one(request, ports))})


def _one(request: Request, ports: tuple[Port, ...]) -> Port:
    for port in ports:
        if port.id == request.params["port_id"]:
            return port
    raise errors.NotFound(f"Instance {request.params['server_id']} does not have port with id {request.params['port_id']}")


def attach_interface(request: Request) -> Answer:
    """Refuse another interface, once the request and the server are in order: guests have those of their boot."""
    asked = (request.body or {}).get("interfaceAttachment") or {}
    if asked.get("net_id") and asked.get("port_id"):
        raise errors.BadRequest("Must not input both network_id and port_id")
    if asked.get("fixed_ips") and not asked.get("net_id"):
        raise errors.BadRequest("Must input network_id when request IP address")
    with request.parts.database.read() as tx:
        ready_server(request, tx, "interface")
    raise not_yet("attach interface")


def detach_interface(request: Request) -> Answer:
    """Refuse to take an interface away, once the request and the server are in order."""
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "interface")
    _one(request, request.parts.network.ports_of(server.id))
    raise not_yet("detach interface")
