"""Rules on server groups."""

from __future__ import annotations

from nova_lite.identity.policies.compute.rules import ADMIN, MEMBER, READER, rule

_GROUP = "/os-server-groups/{server_group_id}"

RULES = (
    rule("os-server-groups:index", READER, "List server groups.", "GET /os-server-groups"),
    rule("os-server-groups:index:all_projects", ADMIN, "List those of all projects.", "GET /os-server-groups"),
    rule("os-server-groups:show", READER, "Show a server group.", f"GET {_GROUP}"),
    rule("os-server-groups:create", MEMBER, "Create a server group.", "POST /os-server-groups"),
    rule("os-server-groups:delete", MEMBER, "Delete a server group.", f"DELETE {_GROUP}"),
)
