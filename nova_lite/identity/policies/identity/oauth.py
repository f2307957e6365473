"""Rules on OAuth 1."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, rule

_CONSUMER = "/OS-OAUTH1/consumers/{consumer_id}"
_TOKENS = "/users/{user_id}/OS-OAUTH1/access_tokens"
_TOKEN = _TOKENS + "/{access_token_id}"
RULES = (
    rule("list_consumers", ADMIN, "GET", "/OS-OAUTH1/consumers", "List consumers."),
    rule("get_consumer", ADMIN, "GET", _CONSUMER, "Show a consumer."),
    rule("create_consumer", ADMIN, "POST", "/OS-OAUTH1/consumers", "Add a consumer."),
    rule("update_consumer", ADMIN, "PATCH", _CONSUMER, "Change a consumer."),
    rule("delete_consumer", ADMIN, "DELETE", _CONSUMER, "Remove a consumer."),
    rule(
        "authorize_request_token", ADMIN, "PUT", "/OS-OAUTH1/authorize/{request_token_id}", "Give a consumer what it asked for."
    ),
    rule("list_access_tokens", ADMIN, "GET", _TOKENS, "List what a user gave to consumers."),
    rule("get_access_token", ADMIN, "GET", _TOKEN, "Show an access token."),
    rule("delete_access_token", ADMIN, "DELETE", _TOKEN, "Take an access token back."),
    rule("list_access_token_roles", ADMIN, "GET", _TOKEN + "/roles", "List the roles of an access token."),
    rule("get_access_token_role", ADMIN, "GET", _TOKEN + "/roles/{role_id}", "Show a role of an access token."),
)
