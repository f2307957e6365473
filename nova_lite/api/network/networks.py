"""Networks: read only, an operator makes them."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.network.lists import Noun, answer_list, answer_one, seen_by
from nova_lite.api.network.views import networks as views
from nova_lite.api.route import Answer, Request
from nova_lite.model.ids import NetworkId
from nova_lite.model.network import Network
from nova_lite.network import ports, records

NOUN = Noun("network", frozenset(views.network(Network(id=NetworkId(""), project_id=None, name="", bridge=""))), views.GUARDED)


def list_networks(request: Request) -> Answer:
    """List the project's networks and the shared ones."""
    with request.parts.network.database.read() as tx:
        found = [network for network in records.list_networks(tx) if ports.may_use(network, seen_by(request))]
    return answer_list(request, NOUN, map(views.network, found))


def show_network(request: Request) -> Answer:
    """Show one network."""
    with request.parts.network.database.read() as tx:
        network = ports.visible_network(tx, request.params["network_id"], project_id=seen_by(request))
    return answer_one(request, NOUN, views.network(network))


def refuse(_request: Request) -> Answer:
    """Refuse to make, change or remove networks and subnets. Raises: Forbidden, always."""
    raise errors.Forbidden(
        "Networks and subnets of this cloud are set up by its operator; this API only shows them.", type="PolicyNotAuthorized"
    )
