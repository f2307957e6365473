"""What can be done to a guest where it is: pausing, suspending, another password, a dump of its memory."""

from __future__ import annotations

from collections.abc import Callable

from nova_lite import errors
from nova_lite.api.compute.lookup import ready_server
from nova_lite.api.route import Answer, Handler, Request
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.inventory import hosts
from nova_lite.model.ids import ServerId
from nova_lite.model.server import Server
from nova_lite.workflows import ask_guest
from nova_lite.workflows.desk import Desk

Accept = Callable[[Desk, Context, ServerId], None]
AGENT = "hw_qemu_guest_agent"
WITH_AGENTS = ("QEMU", "KVM")  # hypervisors that reach a guest's users by its agent alone
YES = ("yes", "true", "1", "on")


def simple(action: str, accept: Accept) -> Handler:
    """Make the handler of an action that needs nothing but an allowed state; its rules are those of `action`."""

    def handle(request: Request) -> Answer:
        with request.parts.database.read() as tx:
            server = ready_server(request, tx, action)
        accept(request.parts.desk, request.context, server.id)
        return Answer(status=202)

    return handle


def change_password(request: Request) -> Answer:
    """Accept another password for the guest's administrator. Raises: Conflict for a guest without an agent."""
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "changePassword")
        _require_agent(tx, server)
    ask_guest.accept_password(request.parts.desk, request.context, server.id, str(request.body["changePassword"]["adminPass"]))
    return Answer(status=202)


def _require_agent(tx: Tx, server: Server) -> None:
    """See that the image promises an agent, where the hypervisor needs one (image property `hw_qemu_guest_agent`)."""
    if server.host is None or server.image_properties.get(AGENT, "").lower() in YES:
        return
    if hosts.get_host(tx, server.host).facts.hypervisor_type in WITH_AGENTS:
        raise errors.Conflict(f"The guest of server {server.id} has no QEMU guest agent: its image lacks {AGENT}=yes.")
