"""Rules on what is left out: they say who is told so."""

from __future__ import annotations

from oslo_policy import policy

from nova_lite.identity.policies.identity.rules import ADMIN, rule

_SERVICE = "rule:admin_required or role:service"
_IDP = "/OS-FEDERATION/identity_providers/{idp_id}"


def _five(names: tuple[str, str], places: tuple[str, str]) -> tuple[policy.DocumentedRuleDefault, ...]:
    """Give the rules on one kind of thing: its name for several and for one, its paths likewise."""
    (several, one), (every, single) = names, places
    words = one.replace("_", " ")
    return (
        rule(f"list_{several}", ADMIN, "GET", every, f"List each {words}."),
        rule(f"get_{one}", ADMIN, "GET", single, f"Show a certain {words}."),
        rule(f"create_{one}", ADMIN, "PUT", single, f"Set up a {words}."),
        rule(f"update_{one}", ADMIN, "PATCH", single, f"Change a {words}."),
        rule(f"delete_{one}", ADMIN, "DELETE", single, f"Remove a {words}."),
    )


_FEDERATION = "/OS-FEDERATION"
RULES = (
    *_five(("identity_providers", "identity_provider"), (_FEDERATION + "/identity_providers", _IDP)),
    *_five(("protocols", "protocol"), (_IDP + "/protocols", _IDP + "/protocols/{protocol_id}")),
    *_five(("mappings", "mapping"), (_FEDERATION + "/mappings", _FEDERATION + "/mappings/{mapping_id}")),
    *_five(
        ("service_providers", "service_provider"),
        (_FEDERATION + "/service_providers", _FEDERATION + "/service_providers/{service_provider_id}"),
    ),
    rule("list_revoke_events", _SERVICE, "GET", "/OS-REVOKE/events", "List what was revoked."),
)
