"""What operators do to a server's record: setting its state, ending it at once; and getting back what was deleted softly."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.compute.lookup import server_of
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.durable import journal
from nova_lite.model.server import ServerState
from nova_lite.servers import records, rules
from nova_lite.workflows import delete
from nova_lite.workflows import restore as restore_workflow
from nova_lite.workflows.desk import SERVER

STATES = {"active": ServerState.ACTIVE, "error": ServerState.ERROR}


def reset_state(request: Request) -> Answer:
    """Set the settled state, the guest left as it is. While an operation runs its steps say what the state is, so 409."""
    wanted = STATES[request.body["os-resetState"]["state"]]

    def work(tx: Tx) -> None:
        live = journal.live_operation(tx, SERVER, request.params["server_id"])
        server = server_of(request, tx)  # after the look: an operation that ends meanwhile has settled the state
        if live is not None:
            raise errors.Conflict(
                f"The operation '{live.workflow}' runs on server {server.id}; cancel operation {live.id} or wait for its end."
            )
        if server.state is ServerState.SOFT_DELETED:  # its quota was given back
            raise errors.Conflict(f"The server {server.id} is deleted; restore it to have it back.")
        records.update(tx, server.id, state=wanted)

    request.parts.database.transact(work)
    return Answer(status=202)


def force_delete(request: Request) -> Answer:
    """Delete at once, though deleted servers may be kept for a while here."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    rules.require_unlocked(server, request.context)
    delete.accept(request.parts.desk, request.context, server.id, for_good=True)
    return Answer(status=202)


def restore(request: Request) -> Answer:
    """Accept that a server which was deleted softly comes back. Raises: Conflict; OverQuota."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    rules.require_unlocked(server, request.context)
    restore_workflow.accept(request.parts.desk, request.context, server.id)
    return Answer(status=202)
