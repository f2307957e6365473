"""Rules on the access rules of application credentials."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import OWN_USER, rule

_RULES = "/users/{user_id}/access_rules"

RULES = (
    rule("list_access_rules", OWN_USER, "GET", _RULES, "List a user's access rules."),
    rule("get_access_rule", OWN_USER, "GET", f"{_RULES}/{{access_rule_id}}", "Show an access rule."),
    rule("delete_access_rule", OWN_USER, "DELETE", f"{_RULES}/{{access_rule_id}}", "Delete an access rule."),
)
