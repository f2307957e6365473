"""Rules on key pairs: a user's own."""

from __future__ import annotations

from nova_lite.identity.policies.compute.rules import NOBODY_ELSE, rule

RULES = (
    rule("os-keypairs:index", NOBODY_ELSE, "List key pairs.", "GET /os-keypairs"),
    rule("os-keypairs:show", NOBODY_ELSE, "Show a key pair.", "GET /os-keypairs/{name}"),
    rule("os-keypairs:create", NOBODY_ELSE, "Create or import a key pair.", "POST /os-keypairs"),
    rule("os-keypairs:delete", NOBODY_ELSE, "Delete a key pair.", "DELETE /os-keypairs/{name}"),
)
