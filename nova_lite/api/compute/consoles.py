"""Consoles by network: a URL that opens one, once; and what operators may know of a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_lite import errors
from nova_lite.api.admission import Kind
from nova_lite.api.compute.lookup import server_of
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.conf.console import ConsoleOptions
from nova_lite.db.engine import Tx
from nova_lite.identity import standing
from nova_lite.model.console import OFFERED, ConsoleGrant, ConsoleKind, ConsolePlace, hash_of
from nova_lite.model.server import Server
from nova_lite.rpc.compute import GetConsole
from nova_lite.servers import consoles, rules

View = dict[str, Any]


def create_console(request: Request) -> Answer:
    """Give a URL for a console of the protocol and type that are asked."""
    asked = request.body["remote_console"]
    kind = OFFERED.get(asked["type"])
    if kind is not None and kind.value != asked["protocol"]:
        kind = None
    url = _open(request, asked["type"], kind)
    return Answer(body={"remote_console": {"protocol": asked["protocol"], "type": asked["type"], "url": url}})


def old_console(request: Request) -> Answer:
    """Give a URL for a console that is asked for by an action, as it was before 2.6."""
    asked = request.body[request.route.action or ""]["type"]
    return Answer(body={"console": {"type": asked, "url": _open(request, asked, OFFERED.get(asked))}})


def _open(request: Request, wanted: str, kind: ConsoleKind | None) -> str:
    """Ask the host for the console, and keep a token for it; give the URL.

    Raises: Conflict in a state without consoles, or while the guest does not run; BadRequest for a type that is not offered;
    Unavailable when the host does not answer.
    """
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    rules.require(server, "remote_console")
    if server.host is None:
        raise errors.Conflict(f"Instance {server.id} is not ready")
    if kind is None:
        raise errors.BadRequest(f"Unavailable console type {wanted}.")
    place = _place(request, server, kind)
    token = consoles.new_token()

    def issue(tx: Tx) -> None:
        grant = ConsoleGrant(server_id=server.id, type=wanted, holder=standing.holder_of(tx, request.context))
        issued = consoles.Issued(grant=grant, address=place.address, port=place.port)
        consoles.issue(tx, token, issued, request.parts.consoles.token_lifetime_s)

    request.parts.database.transact(issue)
    return _url(request.parts.consoles, kind, token)


def _place(request: Request, server: Server, kind: ConsoleKind) -> ConsolePlace:
    if request.parts.compute is None:
        raise errors.Unavailable("No message broker: the host cannot be asked at the moment.")
    with request.parts.admission.slot(Kind.HOST):
        place: ConsolePlace = request.parts.compute.get_console(server.host, GetConsole(server_id=server.id, kind=kind))
    return place


def _url(options: ConsoleOptions, kind: ConsoleKind, token: str) -> str:
    """Write the URL in the form that clients of the original take apart."""
    if kind is ConsoleKind.VNC:
        return f"{options.url}/vnc_auto.html?path=%3Ftoken%3D{token}"
    return f"ws{options.url.removeprefix('http')}/?token={token}"


def _refused_before(_issued: consoles.Issued) -> View:
    raise errors.Unauthorized("The requested console type details are not accessible")


def _shown(issued: consoles.Issued) -> View:
    place = {"host": issued.address, "port": issued.port, "internal_access_path": None}
    return {"instance_uuid": issued.grant.server_id, **place}


def _shown_with_tls(issued: consoles.Issued) -> View:
    return {**_shown(issued), "tls_port": issued.port}


VIEW: ByVersion[Callable[[consoles.Issued], View]] = ByVersion(
    {"2.1": _refused_before, "2.31": _shown, "2.99": _shown_with_tls}
)


def show_token(request: Request) -> Answer:
    """Show what a console's token is for, while it was not used. It is not used up by that."""
    with request.parts.database.read() as tx:
        issued = consoles.find(tx, hash_of(request.params["token_id"]))
    if issued is None:
        raise errors.NotFound("Token not found")
    return Answer(body={"console": VIEW.at(request.version)(issued)})
