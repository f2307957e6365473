"""The password that a guest made for itself, encrypted by its user's key: kept until the user clears it."""

from __future__ import annotations

from nova_lite.api.compute.lookup import server_of
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.servers import passwords


def show_password(request: Request) -> Answer:
    """Show it as the guest wrote it; an empty one where it wrote none."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
        return Answer(body={"password": passwords.read(tx, server.id) or ""})


def clear_password(request: Request) -> Answer:
    """Forget it; the guest's own password stays as it is."""

    def work(tx: Tx) -> None:
        server = server_of(request, tx)
        passwords.clear(tx, server.id)

    request.parts.database.transact(work)
    return Answer(status=204)
