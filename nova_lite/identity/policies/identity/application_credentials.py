"""Rules on application credentials."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import OWN_USER, rule

RULES = (
    rule(
        "list_application_credentials",
        OWN_USER,
        "GET",
        "/users/{user_id}/application_credentials",
        "List a user's application credentials.",
    ),
    rule(
        "get_application_credential",
        OWN_USER,
        "GET",
        "/users/{user_id}/application_credentials/{application_credential_id}",
        "Show an application credential.",
    ),
    rule(
        "create_application_credential",
        "user_id:%(target.user.id)s",
        "POST",
        "/users/{user_id}/application_credentials",
        "Create an application credential of one's own.",
    ),
    rule(
        "delete_application_credential",
        OWN_USER,
        "DELETE",
        "/users/{user_id}/application_credentials/{application_credential_id}",
        "Delete an application credential.",
    ),
)
