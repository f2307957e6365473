"""Rules on configurations of domains."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, ANYONE, rule

_CONFIG = "/domains/{domain_id}/config"
RULES = (
    rule("get_domain_config", ADMIN, "GET", _CONFIG, "Show a domain's configuration."),
    rule("create_domain_config", ADMIN, "PUT", _CONFIG, "Set a domain's configuration."),
    rule("update_domain_config", ADMIN, "PATCH", _CONFIG, "Change a domain's configuration."),
    rule("delete_domain_config", ADMIN, "DELETE", _CONFIG, "Remove a domain's configuration."),
    rule("get_domain_config_default", ADMIN, "GET", "/domains/config/default", "Show what holds without one."),
    rule(
        "get_security_compliance_domain_config",
        ANYONE,
        "GET",
        _CONFIG + "/security_compliance",
        "Show what is demanded of passwords.",
    ),
)
