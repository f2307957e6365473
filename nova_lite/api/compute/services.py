"""Services: the daemons as operators see them; compute hosts can be taken out of scheduling here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_lite import errors
from nova_lite.api.compute import flags, times
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.inventory import hosts, services
from nova_lite.model.ids import HostName
from nova_lite.model.service import Service

View = dict[str, Any]
COMPUTE = "nova-compute"


def _plain(service: Service) -> View:
    return {
        "id": service.number,
        "binary": service.binary,
        "host": service.host,
        "zone": service.zone,
        "status": "enabled" if service.enabled and not service.set_aside else "disabled",
        "state": "up" if service.up else "down",
        "updated_at": times.micro(service.updated_at),
        "disabled_reason": service.disabled_reason or _automatic(service.set_aside),
    }


def _automatic(why: str | None) -> str | None:
    """Mark a reason that no operator gave, as the original marks its own."""
    return f"AUTO: {why}"[:255] if why else None


def _with_forced_down(service: Service) -> View:
    return _plain(service) | {"forced_down": service.forced_down}


def _by_uuid(service: Service) -> View:
    return _with_forced_down(service) | {"id": service.uuid}


VIEW: ByVersion[Callable[[Service], View]] = ByVersion({"2.1": _plain, "2.11": _with_forced_down, "2.53": _by_uuid})


def list_services(request: Request) -> Answer:
    """List daemons."""
    host, binary = request.first("host"), request.first("binary")
    with request.parts.database.read() as tx:
        found = services.list_services(tx)
    shown = [one for one in found if host in (None, "", one.host) and binary in (None, "", one.binary)]
    view = VIEW.at(request.version)
    return Answer(body={"services": [view(service) for service in shown]})


def update_service(request: Request) -> Answer:
    """Change a service named by its UUID: enabled or not, forced down or not."""
    asked = request.body
    if "status" not in asked and "forced_down" not in asked:
        raise errors.BadRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    if "disabled_reason" in asked and asked.get("status") != "disabled":
        raise errors.BadRequest("Specifying 'disabled_reason' when status is 'enabled' is invalid.")

    def work(tx: Tx) -> Service:
        service = _named(tx, request.params["service_id"])
        if "status" in asked:
            _set_enabled(tx, service, enabled=asked["status"] == "enabled", reason=asked.get("disabled_reason"))
        if "forced_down" in asked:
            _set_forced_down(tx, service, forced_down=flags.read(asked["forced_down"], "forced_down"))
        return _named(tx, service.uuid)

    return Answer(body={"service": VIEW.at(request.version)(request.parts.database.transact(work))})


def _named(tx: Tx, uuid: str) -> Service:
    for service in services.list_services(tx):
        if service.uuid == uuid:
            return service
    raise errors.NotFound(f"Service {uuid} not found.")


def _set_enabled(tx: Tx, service: Service, *, enabled: bool, reason: str | None = None) -> None:
    if service.binary == COMPUTE:
        hosts.set_enabled(tx, HostName(service.host), enabled=enabled, reason=reason)
    else:
        services.set_enabled(tx, service.uuid, enabled=enabled, reason=reason)


def _set_forced_down(tx: Tx, service: Service, *, forced_down: bool) -> None:
    if service.binary != COMPUTE:
        raise errors.BadRequest("Updating a non nova-compute service is not supported: only a host can be forced down.")
    hosts.set_forced_down(tx, HostName(service.host), forced_down=forced_down)


def _by_host(tx: Tx, asked: View) -> Service:
    for service in services.list_services(tx):
        if (service.host, service.binary) == (asked["host"], asked["binary"]):
            return service
    raise errors.NotFound(f"Could not find binary {asked['binary']} on host {asked['host']}.")


def _switch(request: Request, *, enabled: bool, reason: str | None = None) -> Answer:
    asked = request.body

    def work(tx: Tx) -> None:
        _set_enabled(tx, _by_host(tx, asked), enabled=enabled, reason=reason)

    request.parts.database.transact(work)
    shown = {"host": asked["host"], "binary": asked["binary"], "status": "enabled" if enabled else "disabled"}
    return Answer(body={"service": shown | ({"disabled_reason": reason} if reason is not None else {})})


def enable(request: Request) -> Answer:
    """Enable the service of a host, as it was named before 2.53."""
    return _switch(request, enabled=True)


def disable(request: Request) -> Answer:
    """Disable it."""
    return _switch(request, enabled=False)


def disable_with_reason(request: Request) -> Answer:
    """Disable it and say why."""
    return _switch(request, enabled=False, reason=request.body["disabled_reason"])


def unknown_switch(request: Request) -> Answer:
    """Refuse a word that names no change of a service."""
    raise errors.NotFound("Unknown action")


def force_down(request: Request) -> Answer:
    """Say that a host is dead, or no longer."""
    asked = request.body
    down = flags.read(asked.get("forced_down", False), "forced_down")
    request.parts.database.transact(lambda tx: _set_forced_down(tx, _by_host(tx, asked), forced_down=down))
    return Answer(body={"service": {"host": asked["host"], "binary": asked["binary"], "forced_down": down}})


def delete_service(request: Request) -> Answer:
    """Forget a daemon; a living one comes back with its next beat."""
    wanted = request.params["service_id"]

    def work(tx: Tx) -> None:
        for service in services.list_services(tx):
            if wanted == str(VIEW.at(request.version)(service)["id"]):
                if service.binary == COMPUTE:
                    hosts.remove_host(tx, HostName(service.host))
                else:
                    services.forget(tx, service.uuid)
                return
        raise errors.NotFound(f"Service {wanted} not found.")

    request.parts.database.transact(work)
    return Answer(status=204)
