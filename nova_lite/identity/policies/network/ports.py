"""Rules on ports."""

from __future__ import annotations

from nova_lite.identity.policies.network.rules import ADMIN, MEMBER, READER, rule

_GET = ("GET /ports", "GET /ports/{id}")
_POST, _PUT = "POST /ports", "PUT /ports/{id}"

RULES = (
    rule("get_port", READER, "List and show ports.", *_GET),
    rule("get_port:binding:host_id", ADMIN, "See the host of a port.", *_GET),
    rule("get_port:binding:vif_type", ADMIN, "See how a port is connected.", *_GET),
    rule("get_port:binding:vif_details", ADMIN, "See details of the connection.", *_GET),
    rule("get_port:binding:profile", ADMIN, "See what was asked of the host.", *_GET),
    rule("create_port", MEMBER, "Create a port.", _POST),
    rule("create_port:mac_address", ADMIN, "Choose a port's MAC address.", _POST),
    rule("create_port:fixed_ips:ip_address", MEMBER, "Choose a port's address.", _POST),
    rule("update_port", MEMBER, "Change a port.", _PUT),
    rule("update_port:fixed_ips:ip_address", MEMBER, "Choose another address.", _PUT),
    rule("delete_port", MEMBER, "Delete a port.", "DELETE /ports/{id}"),
)
