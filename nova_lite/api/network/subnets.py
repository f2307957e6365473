"""Subnets: read only, seen by whoever sees their network."""

from __future__ import annotations

from nova_lite.api.network.lists import Noun, answer_list, answer_one, seen_by
from nova_lite.api.network.views import subnets as views
from nova_lite.api.route import Answer, Request
from nova_lite.model.ids import NetworkId, SubnetId
from nova_lite.model.network import Subnet
from nova_lite.network import ports, records

_ANY = Subnet(
    id=SubnetId(""), network_id=NetworkId(""), project_id=None, name="", cidr="", gateway_ip=None, pool_start="", pool_end=""
)
NOUN = Noun("subnet", frozenset(views.subnet(_ANY)))


def _visible(request: Request) -> list[Subnet]:
    with request.parts.network.database.read() as tx:
        usable = {network.id for network in records.list_networks(tx) if ports.may_use(network, seen_by(request))}
        return [subnet for subnet in records.list_subnets(tx) if subnet.network_id in usable]


def list_subnets(request: Request) -> Answer:
    """List the subnets of the networks that the caller sees."""
    return answer_list(request, NOUN, map(views.subnet, _visible(request)))


def show_subnet(request: Request) -> Answer:
    """Show one subnet."""
    wanted = request.params["subnet_id"]
    for subnet in _visible(request):
        if subnet.id == wanted:
            return answer_one(request, NOUN, views.subnet(subnet))
    raise NOUN.missing(wanted)
