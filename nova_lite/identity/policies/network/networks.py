"""Rules on networks and subnets."""

from __future__ import annotations

from nova_lite.identity.policies.network.rules import ADMIN, MEMBER, READER, rule

_NETWORKS = ("GET /networks", "GET /networks/{id}")
_POST, _PUT = "POST /networks", "PUT /networks/{id}"

RULES = (
    rule("get_network", READER, "List and show networks.", *_NETWORKS),
    rule("get_network:provider:network_type", ADMIN, "See the kind of a network.", *_NETWORKS),
    rule("get_network:provider:physical_network", ADMIN, "See which bridge a network is on.", *_NETWORKS),
    rule("get_network:provider:segmentation_id", ADMIN, "See the segment of a network.", *_NETWORKS),
    rule("create_network", MEMBER, "Create a network.", _POST),
    rule("create_network:shared", ADMIN, "Create a network that all projects may use.", _POST),
    rule("create_network:provider:network_type", ADMIN, "Choose the kind of a network.", _POST),
    rule("create_network:provider:physical_network", ADMIN, "Choose which bridge a network is on.", _POST),
    rule("create_network:provider:segmentation_id", ADMIN, "Choose the segment of a network.", _POST),
    rule("update_network", MEMBER, "Change a network.", _PUT),
    rule("update_network:shared", ADMIN, "Let all projects use a network, or no more.", _PUT),
    rule("delete_network", MEMBER, "Delete a network with its subnets.", "DELETE /networks/{id}"),
    rule("get_subnet", READER, "List and show subnets.", "GET /subnets", "GET /subnets/{id}"),
    rule("create_subnet", MEMBER, "Create a subnet.", "POST /subnets"),
    rule("update_subnet", MEMBER, "Change a subnet.", "PUT /subnets/{id}"),
    rule("delete_subnet", MEMBER, "Delete a subnet.", "DELETE /subnets/{id}"),
)
