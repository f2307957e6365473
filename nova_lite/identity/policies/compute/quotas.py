"""Rules on quotas and limits."""

from __future__ import annotations

from nova_lite.identity.policies.compute.rules import ADMIN, ANYONE, READER, rule

RULES = (
    rule("limits", ANYONE, "Show limits and what is used of them.", "GET /limits"),
    rule("limits:other_project", ADMIN, "Show another project's limits.", "GET /limits"),
    rule("os-quota-sets:show", READER, "Show a project's quota.", "GET /os-quota-sets/{project_id}"),
    rule("os-quota-sets:detail", READER, "Show a quota with what is used.", "GET /os-quota-sets/{project_id}/detail"),
    rule("os-quota-sets:defaults", ANYONE, "Show the default quota.", "GET /os-quota-sets/{project_id}/defaults"),
    rule("os-quota-sets:update", ADMIN, "Change a project's quota.", "PUT /os-quota-sets/{project_id}"),
    rule("os-quota-sets:delete", ADMIN, "Return a project to the default quota.", "DELETE /os-quota-sets/{project_id}"),
    rule("os-quota-class-sets:show", ADMIN, "Show the default quota.", "GET /os-quota-class-sets/{name}"),
    rule("os-quota-class-sets:update", ADMIN, "Change the default quota.", "PUT /os-quota-class-sets/{name}"),
)
