"""What clients asked Compute for before they asked the services themselves (up to 2.35): networks, addresses, volumes.

Networks are there. Of what no service of this cloud has, lists are empty and everything else is not found.
"""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.compute.volume_attachments import no_volume
from nova_lite.api.route import Answer, Handler, Request
from nova_lite.model.network import Network
from nova_lite.network import records

View = dict[str, Any]
# What a network of nova-network had, and one of this cloud has not.
_ABSENT = (
    *("bridge", "bridge_interface", "broadcast", "cidr", "cidr_v6", "created_at", "deleted", "deleted_at", "dhcp_server"),
    *("dhcp_start", "dns1", "dns2", "enable_dhcp", "gateway", "gateway_v6", "host", "injected", "mtu", "multi_host", "netmask"),
    *("netmask_v6", "priority", "project_id", "rxtx_base", "share_address", "updated_at", "vlan", "vpn_private_address"),
    *("vpn_public_address", "vpn_public_port"),
)


def _network(found: Network) -> View:
    return dict.fromkeys(_ABSENT) | {"id": found.id, "label": found.name}


def _tenant_network(found: Network) -> View:
    return {"id": found.id, "label": found.name, "cidr": str(None)}


def _usable(request: Request) -> list[Network]:
    project_id = request.context.project_id
    with request.parts.database.read() as tx:
        found = records.list_networks(tx)
    return [one for one in found if request.context.sees_all_projects or one.shared or one.project_id == project_id]


def _one(request: Request) -> Network:
    for network in _usable(request):
        if network.id == request.params["network_id"]:
            return network
    raise errors.NotFound("Network not found")


def list_networks(request: Request) -> Answer:
    """List the networks that the project may use."""
    return Answer(body={"networks": [_network(one) for one in _usable(request)]})


def show_network(request: Request) -> Answer:
    """Show one."""
    return Answer(body={"network": _network(_one(request))})


def list_tenant_networks(request: Request) -> Answer:
    """List the networks that the project may use, in few words."""
    return Answer(body={"networks": [_tenant_network(one) for one in _usable(request)]})


def show_tenant_network(request: Request) -> Answer:
    """Show one in few words."""
    return Answer(body={"network": _tenant_network(_one(request))})


def none_of(name: str) -> Handler:
    """Make the handler of a list that is empty in this cloud."""

    def handle(request: Request) -> Answer:
        return Answer(body={name: []})

    return handle


def absent(what: str) -> Handler:
    """Make the handler of what speaks of a thing that cannot be in this cloud."""

    def handle(request: Request) -> Answer:
        named = request.params.get("id", "")[:64]
        raise errors.NotFound(f"{what}{' ' if named else ''}{named} could not be found: this cloud has no such service.")

    return handle


def create_snapshot(request: Request) -> Answer:
    """Refuse a snapshot: its volume is nowhere."""
    raise no_volume(request.body["snapshot"]["volume_id"])
