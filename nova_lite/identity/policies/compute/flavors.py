"""Rules on flavors."""

from __future__ import annotations

from nova_lite.identity.policies.compute.rules import ADMIN, ANYONE, READER, rule

_SPECS = "/flavors/{flavor_id}/os-extra_specs"
_ACCESS = "/flavors/{flavor_id}/os-flavor-access"

RULES = (
    rule("flavors", ANYONE, "List and show flavors.", "GET /flavors", "GET /flavors/{flavor_id}"),
    rule("os-flavor-manage:create", ADMIN, "Create a flavor.", "POST /flavors"),
    rule("os-flavor-manage:update", ADMIN, "Change a flavor's description.", "PUT /flavors/{flavor_id}"),
    rule("os-flavor-manage:delete", ADMIN, "Delete a flavor.", "DELETE /flavors/{flavor_id}"),
    rule("os-flavor-extra-specs:index", READER, "List a flavor's extra specs.", f"GET {_SPECS}"),
    rule("os-flavor-extra-specs:show", READER, "Show an extra spec.", f"GET {_SPECS}/{{key}}"),
    rule("os-flavor-extra-specs:create", ADMIN, "Add extra specs.", f"POST {_SPECS}"),
    rule("os-flavor-extra-specs:update", ADMIN, "Change an extra spec.", f"PUT {_SPECS}/{{key}}"),
    rule("os-flavor-extra-specs:delete", ADMIN, "Remove an extra spec.", f"DELETE {_SPECS}/{{key}}"),
    rule("os-flavor-access", ADMIN, "List the projects that may use a private flavor.", f"GET {_ACCESS}"),
    rule("os-flavor-access:add_tenant_access", ADMIN, "Let a project use a flavor.", "POST /flavors/{flavor_id}/action"),
    rule("os-flavor-access:remove_tenant_access", ADMIN, "Take the use away.", "POST /flavors/{flavor_id}/action"),
)
