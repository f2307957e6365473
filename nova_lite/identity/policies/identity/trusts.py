"""Rules on trusts."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, rule

_TRUSTOR = "user_id:%(target.trust.trustor_user_id)s"
_TRUSTEE = "user_id:%(target.trust.trustee_user_id)s"
_SIDES = f"rule:admin_required or {_TRUSTOR} or {_TRUSTEE}"
_LIST = "/OS-TRUST/trusts"
_TRUST = _LIST + "/{trust_id}"
RULES = (
    rule("list_trusts", ADMIN, "GET", _LIST, "List all trusts."),
    rule("list_trusts_for_trustor", f"{ADMIN} or {_TRUSTOR}", "GET", _LIST, "List the trusts that a user gave."),
    rule("list_trusts_for_trustee", f"{ADMIN} or {_TRUSTEE}", "GET", _LIST, "List the trusts that a user was given."),
    rule("get_trust", _SIDES, "GET", _TRUST, "Show a trust."),
    rule("create_trust", _TRUSTOR, "POST", _LIST, "Give a trust."),
    rule("delete_trust", f"{ADMIN} or {_TRUSTOR}", "DELETE", _TRUST, "Take a trust back."),
    rule("list_roles_for_trust", _SIDES, "GET", _TRUST + "/roles", "List the roles of a trust."),
    rule("get_role_for_trust", _SIDES, "GET", _TRUST + "/roles/{role_id}", "Show a role of a trust."),
)
