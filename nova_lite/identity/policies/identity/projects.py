"""Rules on projects and domains."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, ADMIN_OR_PROJECTS_MANAGER, DOMAIN_READER, OWN_PROJECT, rule

RULES = (
    rule("list_projects", f"rule:admin_required or ({DOMAIN_READER})", "GET", "/projects", "List projects."),
    rule("get_project", OWN_PROJECT, "GET", "/projects/{project_id}", "Show a project."),
    rule("create_project", ADMIN_OR_PROJECTS_MANAGER, "POST", "/projects", "Create a project."),
    rule("update_project", ADMIN_OR_PROJECTS_MANAGER, "PATCH", "/projects/{project_id}", "Change a project."),
    rule("delete_project", ADMIN_OR_PROJECTS_MANAGER, "DELETE", "/projects/{project_id}", "Delete a project."),
    rule("list_project_tags", OWN_PROJECT, "GET", "/projects/{project_id}/tags", "List the tags of a project."),
    rule("get_project_tag", OWN_PROJECT, "GET", "/projects/{project_id}/tags/{value}", "Tell whether a project has a tag."),
    rule(
        "update_project_tags",
        ADMIN_OR_PROJECTS_MANAGER,
        "PUT",
        "/projects/{project_id}/tags",
        "Replace the tags of a project.",
    ),
    rule(
        "create_project_tag", ADMIN_OR_PROJECTS_MANAGER, "PUT", "/projects/{project_id}/tags/{value}", "Add a tag to a project."
    ),
    rule(
        "delete_project_tags",
        ADMIN_OR_PROJECTS_MANAGER,
        "DELETE",
        "/projects/{project_id}/tags",
        "Take all tags from a project.",
    ),
    rule(
        "delete_project_tag",
        ADMIN_OR_PROJECTS_MANAGER,
        "DELETE",
        "/projects/{project_id}/tags/{value}",
        "Take a tag from a project.",
    ),
    rule(
        "list_domains",
        "rule:admin_required or (role:reader and domain_id:%(target.domain.id)s)",
        "GET",
        "/domains",
        "List domains.",
    ),
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
