"""Networks: an operator's flat one, which all share, and those that projects make for themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api.network.lists import Noun, answer_list, answer_one, seen_by
from nova_lite.api.network.owners import owner
from nova_lite.api.network.views import networks as views
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.db.networks import NetworkFilter
from nova_lite.model.ids import NetworkId
from nova_lite.model.network import Network
from nova_lite.network import networks, ports, records
from nova_lite.network.networks import DEFAULT_MTU, MAX_SEGMENT, NewNetwork

NOUN = Noun("network", frozenset(views.network(Network(id=NetworkId(""), project_id=None, name="", bridge=""))), views.GUARDED)
MTU, SEGMENTS = (576, DEFAULT_MTU), (1, MAX_SEGMENT)
CHANGEABLE = ("name", "admin_state_up", "shared", "description", "mtu")


def list_networks(request: Request) -> Answer:
    """List the project's networks and the shared ones."""
    with request.parts.network.database.read() as tx:
        found = records.list_networks(tx, NetworkFilter(project_id=seen_by(request)))
    return answer_list(request, NOUN, map(views.network, found))


def show_network(request: Request) -> Answer:
    """Show one network."""
    with request.parts.network.database.read() as tx:
        network = ports.visible_network(tx, request.params["network_id"], project_id=seen_by(request))
    return answer_one(request, NOUN, views.network(network))


def create_network(request: Request) -> Answer:
    """Add a network of the project's own. Raises: Forbidden; Conflict when the project has as many as it may."""
    asked = request.body["network"]
    project_id = owner(request, asked)
    if asked.get("shared", False):
        request.enforce("create_network:shared")
    for name in views.GUARDED:
        if name in asked:
            request.enforce(f"create_network:{name}")
    wanted = NewNetwork(
        project_id=project_id,
        name=asked.get("name", ""),
        description=asked.get("description", ""),
        mtu=_number(asked, "mtu", *MTU) or DEFAULT_MTU,
        shared=asked.get("shared", False),
        admin_state_up=asked.get("admin_state_up", True),
        segment=_number(asked, "provider:segmentation_id", *SEGMENTS),
    )
    made = request.parts.network.database.transact(lambda tx: networks.create(tx, wanted))
    return answer_one(request, NOUN, views.network(made), status=201)


def _number(asked: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    """Read a number that may be written as text; None when it is not spoken of. Raises: BadRequest."""
    if name not in asked:
        return None
    number = int(asked[name])
    if not least <= number <= most:
        raise errors.BadRequest(f"Invalid input for {name}: a number from {least} to {most} is wanted.", type="InvalidInput")
    return number


def update_network(request: Request) -> Answer:
    """Change a network. Raises: NotFound; Forbidden for another's; BadRequest, Conflict as `networks.update`."""
    asked = request.body["network"]
    changes = {name: asked[name] for name in CHANGEABLE if name in asked}
    if "mtu" in changes:
        changes["mtu"] = _number(asked, "mtu", *MTU)

    def work(tx: Tx) -> Network:
        network = own_network(request, tx, request.params["network_id"])
        if changes.get("shared", network.shared) != network.shared:
            request.enforce("update_network:shared")
        return networks.update(tx, network, changes)

    return answer_one(request, NOUN, views.network(request.parts.network.database.transact(work)))


def delete_network(request: Request) -> Answer:
    """Remove a network with its subnets. Raises: NotFound; Forbidden for another's; Conflict while a port is on it."""

    def work(tx: Tx) -> None:
        networks.delete(tx, own_network(request, tx, request.params["network_id"]))

    request.parts.network.database.transact(work)
    return Answer(status=204)


def own_network(request: Request, tx: Tx, network_id: str) -> Network:
    """Give a network that the caller may change. Raises: NotFound when they do not see it; Forbidden when it is another's."""
    network = ports.visible_network(tx, network_id, project_id=seen_by(request))
    request.enforce(target={"project_id": network.project_id})
    return network
