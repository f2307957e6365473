"""Rules on networks and subnets, which the API only reads."""

from __future__ import annotations

from nova_lite.identity.policies.network.rules import ADMIN, READER, rule

_NETWORKS = ("GET /networks", "GET /networks/{id}")

RULES = (
    rule("get_network", READER, "List and show networks.", *_NETWORKS),
    rule("get_network:provider:network_type", ADMIN, "See the kind of a network.", *_NETWORKS),
    rule("get_network:provider:physical_network", ADMIN, "See which bridge a network is on.", *_NETWORKS),
    rule("get_network:provider:segmentation_id", ADMIN, "See the segment of a network.", *_NETWORKS),
    rule("get_subnet", READER, "List and show subnets.", "GET /subnets", "GET /subnets/{id}"),
)
