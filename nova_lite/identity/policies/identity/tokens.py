"""Rules on tokens."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ANYONE, SERVICE_OR_SELF, rule

RULES = (
    rule("validate_token", SERVICE_OR_SELF, "GET", "/auth/tokens", "Show a token."),
    rule("check_token", SERVICE_OR_SELF, "HEAD", "/auth/tokens", "Check a token."),
    rule("revoke_token", SERVICE_OR_SELF, "DELETE", "/auth/tokens", "Revoke a token."),
    rule("get_auth_catalog", ANYONE, "GET", "/auth/catalog", "Show the catalog of one's scope."),
    rule("get_auth_projects", ANYONE, "GET", "/auth/projects", "List the projects one may log in to."),
    rule("get_auth_domains", ANYONE, "GET", "/auth/domains", "List the domains one may log in to."),
    rule("get_auth_system", ANYONE, "GET", "/auth/system", "List the system scopes one may log in to."),
)
