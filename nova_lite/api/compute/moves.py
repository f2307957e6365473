"""Moves of a server: to another size, to another host, off a dead one. All last; what was accepted is told by migrations."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.compute import flags
from nova_lite.api.compute.lookup import project_seen, ready_server, server_of
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.inventory import hosts
from nova_lite.model.ids import HostName
from nova_lite.servers import flavors, names, rules
from nova_lite.workflows import evacuate as evacuating
from nova_lite.workflows import live_migrate as migrating
from nova_lite.workflows import resize as resizing
from nova_lite.workflows import resized

TELLS_PASSWORD = ByVersion({"2.1": True, "2.14": False})
LEFT_OFF = ByVersion({"2.1": False, "2.95": True})
NAMES_HOST = ByVersion({"2.1": False, "2.56": True})  # before, whatever the action held was ignored
MIGRATE_TO = "os_compute_api:os-migrate-server:migrate:host"


def resize(request: Request) -> Answer:
    """Accept another flavor that the project may use and has quota for."""
    asked = request.body["resize"]
    wanted = str(asked["flavorRef"]).rpartition("/")[2]
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "resize")
        try:
            flavor = flavors.get(tx, wanted, seen_by=project_seen(request))
        except errors.NotFound as error:
            raise errors.BadRequest(error.message) from error
        if flavor.id == server.flavor.id:
            raise errors.BadRequest("When resizing, instances must change flavor!")
    config = asked.get("OS-DCF:diskConfig")
    resizing.accept_resize(request.parts.desk, request.context, server.id, flavor, disk_config=config)
    return Answer(status=202)


def confirm(request: Request) -> Answer:
    """Accept that a resize or cold migration is good."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    rules.require_unlocked(server, request.context)
    resized.accept_confirm(request.parts.desk, request.context, server.id)
    return Answer(status=204)


def revert(request: Request) -> Answer:
    """Accept that a resize or cold migration is taken back."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    rules.require_unlocked(server, request.context)
    resized.accept_revert(request.parts.desk, request.context, server.id)
    return Answer(status=202)


def migrate(request: Request) -> Answer:
    """Accept a cold migration; naming the host is for admins."""
    content = request.body["migrate"]
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "migrate")
        host = content["host"] if content and NAMES_HOST.at(request.version) else None
        if host is not None:
            request.enforce(MIGRATE_TO, {"project_id": server.project_id})
            _known_host(tx, host)
            if host == server.host:
                raise errors.BadRequest(f"The server is on {host} already: it cannot migrate to its own host.")
    resizing.accept_migrate(request.parts.desk, request.context, server.id, host=None if host is None else HostName(host))
    return Answer(status=202)


def migrate_live(request: Request) -> Answer:
    """Accept a live migration; naming the host is for admins. Disks are copied, as every host has its own."""
    asked = request.body["os-migrateLive"]
    host, force = asked["host"], flags.read(asked.get("force", False), "force")
    if force and host is None:
        raise errors.BadRequest("Can't force to a non-provided destination")
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "os-migrateLive")
        if host is not None:
            request.enforce("os_compute_api:os-migrate-server:migrate_live:host", {"project_id": server.project_id})
            _known_host(tx, host)
            if host == server.host:
                raise errors.BadRequest(f"The server is on {host} already: it cannot migrate to its own host.")
    block = asked["block_migration"]
    if block != "auto" and not flags.read(block, "block_migration"):
        raise errors.BadRequest("The hosts of this cloud share no storage for servers' disks: block_migration must be true.")
    migrating.accept(request.parts.desk, request.context, server.id, host=None if host is None else HostName(host))
    return Answer(status=202)


def evacuate(request: Request) -> Answer:
    """Accept an evacuation off a host that is dead by proof; old microversions are told the password."""
    asked = request.body["evacuate"]
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "evacuate")
        host = asked.get("host")
        if host is not None:
            _known_host(tx, host)
            if host == server.host:
                raise errors.BadRequest("The target host can't be the same one.")
    if flags.read(asked.get("onSharedStorage", False), "onSharedStorage"):
        raise errors.BadRequest("The hosts of this cloud share no storage for servers' disks.")
    password = asked.get("adminPass") or names.password()
    evacuation = evacuating.Evacuation(
        host=None if host is None else HostName(host), admin_pass=password, leave_off=LEFT_OFF.at(request.version)
    )
    evacuating.accept(request.parts.desk, request.context, server.id, evacuation)
    return Answer(body={"adminPass": password}) if TELLS_PASSWORD.at(request.version) else Answer(status=200)


def _known_host(tx: Tx, name: str) -> None:
    """Raises: BadRequest for a host that is none."""
    if all(host.name != name for host in hosts.list_hosts(tx)):
        raise errors.BadRequest(f"Compute host {name} could not be found.")
