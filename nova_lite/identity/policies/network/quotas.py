"""Rules on quotas, which the API only shows."""

from __future__ import annotations

from nova_lite.identity.policies.network.rules import MANAGER, READER, rule

RULES = (
    rule("get_quota", MANAGER, "Show the limits of a project.", "GET /quotas/{id}"),
    # The original has these two checks in its code, without a name.
    rule("get_quota_default", READER, "Show the limits of new projects.", "GET /quotas/{id}/default"),
    rule("get_quota_details", READER, "Show the limits of a project and what is used.", "GET /quotas/{id}/details"),
)
