"""Subnets, seen by whoever sees their network, made and changed by whoever owns it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite.api.network.lists import Noun, answer_list, answer_one, seen_by
from nova_lite.api.network.networks import own_network
from nova_lite.api.network.owners import owner
from nova_lite.api.network.views import subnets as views
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.db.networks import NetworkFilter
from nova_lite.model.guest import HostRoute
from nova_lite.model.ids import NetworkId, SubnetId
from nova_lite.model.network import Pool, Subnet
from nova_lite.network import records, subnets
from nova_lite.network.subnets import NewSubnet

_ANY = Subnet(id=SubnetId(""), network_id=NetworkId(""), project_id=None, name="", cidr="", gateway_ip=None, pools=())
NOUN = Noun("subnet", frozenset(views.subnet(_ANY)))
PLAIN = ("name", "description", "gateway_ip", "enable_dhcp")


def list_subnets(request: Request) -> Answer:
    """List the subnets of the networks that the caller sees."""
    with request.parts.network.database.read() as tx:
        found = records.list_subnets(tx, NetworkFilter(project_id=seen_by(request)))
    return answer_list(request, NOUN, map(views.subnet, found))


def show_subnet(request: Request) -> Answer:
    """Show one subnet."""
    with request.parts.network.database.read() as tx:
        return answer_one(request, NOUN, views.subnet(_visible(request, tx)))


def _visible(request: Request, tx: Tx) -> Subnet:
    """Give the subnet of the path, if the caller sees its network. Raises: NotFound."""
    wanted = request.params["subnet_id"]
    for subnet in records.list_subnets(tx, NetworkFilter(subnet_id=wanted, project_id=seen_by(request))):
        if subnet.id == wanted:
            return subnet
    raise NOUN.missing(wanted)


def create_subnet(request: Request) -> Answer:
    """Add a subnet to a network that the caller may change. Raises: NotFound; Forbidden; as `subnets.create`."""
    asked = request.body["subnet"]

    def work(tx: Tx) -> Subnet:
        network = own_network(request, tx, asked["network_id"])
        return subnets.create(tx, network, _wanted(asked, owner(request, asked, network.project_id)))

    made = request.parts.network.database.transact(work)
    return answer_one(request, NOUN, views.subnet(made), status=201)


def _wanted(asked: Mapping[str, Any], project_id: str) -> NewSubnet:
    changes = _changes(asked)
    no_gateway = "gateway_ip" in asked and asked["gateway_ip"] is None
    return NewSubnet(cidr=asked["cidr"], project_id=project_id, no_gateway=no_gateway, **changes)


def _changes(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a body says of what can be changed later, too."""
    changes = {name: asked[name] for name in PLAIN if name in asked}
    if "allocation_pools" in asked:
        changes["pools"] = tuple(Pool(**pool) for pool in asked["allocation_pools"])
    if "dns_nameservers" in asked:
        changes["dns_nameservers"] = tuple(asked["dns_nameservers"])
    if "host_routes" in asked:
        changes["host_routes"] = tuple(HostRoute(**route) for route in asked["host_routes"])
    return changes


def update_subnet(request: Request) -> Answer:
    """Change a subnet. Raises: NotFound; Forbidden for another's; as `subnets.update`."""
    changes = _changes(request.body["subnet"])

    def work(tx: Tx) -> Subnet:
        subnet = _visible(request, tx)
        network = own_network(request, tx, subnet.network_id)
        return subnets.update(tx, network, subnet, changes)

    return answer_one(request, NOUN, views.subnet(request.parts.network.database.transact(work)))


def delete_subnet(request: Request) -> Answer:
    """Remove a subnet. Raises: NotFound; Forbidden for another's; Conflict while a port has an address of it."""

    def work(tx: Tx) -> None:
        subnet = _visible(request, tx)
        subnets.delete(tx, own_network(request, tx, subnet.network_id), subnet)

    request.parts.network.database.transact(work)
    return Answer(status=204)
