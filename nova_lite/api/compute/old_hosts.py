"""Hosts as operators saw them up to 2.42, before hypervisors and services."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.route import Answer, Request
from nova_lite.db import server_hours as queries
from nova_lite.db.engine import Tx
from nova_lite.inventory import hosts, services
from nova_lite.model.host import Host
from nova_lite.model.ids import HostName
from nova_lite.model.resources import Resources

View = dict[str, Any]


def list_hosts(request: Request) -> Answer:
    """List daemons by host; `zone` narrows the list."""
    zone = request.first("zone")
    with request.parts.database.read() as tx:
        found = services.list_services(tx)
    shown = [
        {"host_name": one.host, "service": one.binary.removeprefix("nova-"), "zone": one.zone}
        for one in found
        if zone in (None, "", one.zone)
    ]
    return Answer(body={"hosts": shown})


def _host(request: Request, tx: Tx) -> Host:
    return hosts.get_host(tx, HostName(request.params["host_name"]))


def show_host(request: Request) -> Answer:
    """Show what a host has, what is used of it, and what each project's servers may use."""
    with request.parts.database.read() as tx:
        host = _host(request, tx)
        on_it = queries.amounts_on(tx, host.name)
    reserved, used = host.facts.reserved, host.used
    now = Resources(vcpus=used.vcpus, ram_mib=used.ram_mib + reserved.ram_mib, disk_gib=used.disk_gib + reserved.disk_gib)
    lines = [("(total)", host.facts.total), ("(used_now)", now), ("(used_max)", _sum([each for _, each in on_it]))]
    for project_id in dict.fromkeys(owner for owner, _ in on_it):
        lines.append((project_id, _sum([each for owner, each in on_it if owner == project_id])))
    return Answer(body={"host": [{"resource": _view(host, who, amounts)} for who, amounts in lines]})


def _sum(amounts: list[Resources]) -> Resources:
    return Resources(
        vcpus=sum(each.vcpus for each in amounts),
        ram_mib=sum(each.ram_mib for each in amounts),
        disk_gib=sum(each.disk_gib for each in amounts),
    )


def _view(host: Host, who: str, amounts: Resources) -> View:
    return {
        "host": host.name,
        "project": who,
        "cpu": amounts.vcpus,
        "memory_mb": amounts.ram_mib,
        "disk_gb": amounts.disk_gib,
    }


def update_host(request: Request) -> Answer:
    """Enable or disable a host. Its maintenance mode was another hypervisor's: 501."""
    asked = {name: word.lower() for name, word in request.body.items()}
    with request.parts.database.read() as tx:
        _host(request, tx)
    if "maintenance_mode" in asked:
        raise errors.NotImplementedHere("Virt driver does not implement host maintenance mode.")
    enabled = asked["status"] == "enable"

    def work(tx: Tx) -> HostName:
        name = _host(request, tx).name
        hosts.set_enabled(tx, name, enabled=enabled)
        return name

    name = request.parts.database.transact(work)
    return Answer(body={"host": name, "status": "enabled" if enabled else "disabled"})


def power(request: Request) -> Answer:
    """Refuse to start, stop or reboot a host: its hypervisor does not do that."""
    with request.parts.database.read() as tx:
        _host(request, tx)
    raise errors.NotImplementedHere("Virt driver does not implement host power management.")
