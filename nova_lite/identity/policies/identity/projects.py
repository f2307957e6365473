"""Rules on projects and domains."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, OWN_PROJECT, rule

RULES = (
    rule("list_projects", ADMIN, "GET", "/projects", "List projects."),
    rule("get_project", OWN_PROJECT, "GET", "/projects/{project_id}", "Show a project."),
    rule("create_project", ADMIN, "POST", "/projects", "Create a project."),
    rule("update_project", ADMIN, "PATCH", "/projects/{project_id}", "Change a project."),
    rule("delete_project", ADMIN, "DELETE", "/projects/{project_id}", "Delete a project."),
    rule("list_domains", ADMIN, "GET", "/domains", "List domains."),
    rule(
        "get_domain",
        "rule:admin_required or domain_id:%(target.domain.id)s or project_domain_id:%(target.domain.id)s",
        "GET",
        "/domains/{domain_id}",
        "Show a domain.",
    ),
    rule("create_domain", ADMIN, "POST", "/domains", "Create a domain."),
    rule("update_domain", ADMIN, "PATCH", "/domains/{domain_id}", "Change a domain."),
    rule("delete_domain", ADMIN, "DELETE", "/domains/{domain_id}", "Delete a domain."),
)
