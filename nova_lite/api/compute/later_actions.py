"""Actions that are known, checked, and not done yet: whoever may not ask, or asks in the wrong state, is told that first."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.compute.lookup import project_seen, server_of
from nova_lite.api.route import Answer, Handler, Request
from nova_lite.db.engine import Tx
from nova_lite.inventory import hosts
from nova_lite.model.server import Server
from nova_lite.quota import usage, users
from nova_lite.servers import flavors, rules

MIGRATE_TO = "os_compute_api:os-migrate-server:migrate:host"


def ready_server(request: Request, tx: Tx, action: str) -> Server:
    """Read the server that an action is asked of. Raises: NotFound; Forbidden; Conflict when it cannot be done to it now."""
    server = server_of(request, tx)
    rules.require_unlocked(server, request.context)
    rules.require(server, action)
    if server.live is not None:
        raise errors.Conflict(f"Cannot '{action}' server {server.id} while its operation '{server.live.workflow}' runs.")
    return server


def not_yet(action: str) -> errors.NotImplementedHere:
    """Make the error of what this release cannot do."""
    return errors.NotImplementedHere(f"This cloud cannot do the action '{action}' yet.")


def later(action: str, state_rule: str | None = None) -> Handler:
    """Make the handler of an action that answers 501 once everything else was in order. Changes nothing."""

    def handle(request: Request) -> Answer:
        with request.parts.database.read() as tx:
            ready_server(request, tx, state_rule or action)
        raise not_yet(action)

    return handle


def resize(request: Request) -> Answer:
    """Refuse another flavor, once it is one that the project may use and has quota for."""
    wanted = str(request.body["resize"]["flavorRef"]).rpartition("/")[2]
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "resize")
        try:
            flavor = flavors.get(tx, wanted, seen_by=project_seen(request))
        except errors.NotFound as error:
            raise errors.BadRequest(error.message) from error
        if flavor.id == server.flavor.id:
            raise errors.BadRequest("When resizing, instances must change flavor!")
        more = {"cores": flavor.vcpus - server.flavor.vcpus, "ram": flavor.ram_mib - server.flavor.ram_mib}
        growing = {name: amount for name, amount in more.items() if amount > 0}
        users.require_room(usage.limits_of(tx, server.project_id), usage.used_by(tx, server.project_id), growing)
    raise not_yet("resize")


def migrate(request: Request) -> Answer:
    """Refuse a cold migration; naming the host is for admins."""
    content = request.body["migrate"]
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "migrate")
        host = content.get("host") if isinstance(content, dict) else None
        if host is not None:
            request.enforce(MIGRATE_TO, {"project_id": server.project_id})
            _known_host(tx, host)
    raise not_yet("migrate")


def migrate_live(request: Request) -> Answer:
    """Refuse a live migration; naming the host is for admins."""
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "os-migrateLive")
        host = request.body["os-migrateLive"]["host"]
        if host is not None:
            request.enforce("os_compute_api:os-migrate-server:migrate_live:host", {"project_id": server.project_id})
            _known_host(tx, host)
    raise not_yet("os-migrateLive")


def evacuate(request: Request) -> Answer:
    """Refuse an evacuation; one from a host that lives is wrong in any case."""
    asked = request.body["evacuate"]
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "evacuate")
        if asked.get("host") is not None:
            _known_host(tx, asked["host"])
            if asked["host"] == server.host:
                raise errors.BadRequest("The target host can't be the same one.")
        if server.host is None or hosts.get_host(tx, server.host).up:
            raise errors.BadRequest("Compute service of the server's host is still in use.")
    raise not_yet("evacuate")


def _known_host(tx: Tx, name: str) -> None:
    """Raises: BadRequest for a host that is none."""
    if all(host.name != name for host in hosts.list_hosts(tx)):
        raise errors.BadRequest(f"Compute host {name} could not be found.")
