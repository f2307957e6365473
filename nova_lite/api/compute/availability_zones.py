"""Availability zones: groups of hosts, named at `host add`."""

from __future__ import annotations

from typing import Any

from nova_lite.api.compute import times
from nova_lite.api.route import Answer, Request
from nova_lite.inventory import hosts, services


def list_zones(request: Request) -> Answer:
    """List zones; one is available while a host of it is."""
    with request.parts.database.read() as tx:
        found = hosts.list_hosts(tx)
    zones: dict[str, bool] = {}
    for host in found:
        zones[host.facts.zone] = zones.get(host.facts.zone, False) or host.enabled
    return Answer(body={"availabilityZoneInfo": [_zone(name, available, None) for name, available in zones.items()]})


def list_details(request: Request) -> Answer:
    """List zones with their hosts and daemons."""
    with request.parts.database.read() as tx:
        found = services.list_services(tx)
    zones: dict[str, dict[str, dict[str, Any]]] = {}
    available: dict[str, bool] = {}
    for service in found:
        shown = {"active": service.enabled, "available": service.up, "updated_at": times.micro(service.updated_at)}
        zones.setdefault(service.zone, {}).setdefault(service.host, {})[service.binary] = shown
        available[service.zone] = available.get(service.zone, False) or service.enabled
    return Answer(body={"availabilityZoneInfo": [_zone(name, available[name], members) for name, members in zones.items()]})


def _zone(name: str, available: bool, members: dict[str, dict[str, Any]] | None) -> dict[str, Any]:
    return {"zoneName": name, "zoneState": {"available": available}, "hosts": members}
