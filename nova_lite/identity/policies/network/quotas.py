"""Rules on quotas, which the API only shows."""

from __future__ import annotations

from nova_lite.identity.policies.network.rules import READER, rule

RULES = (
    rule(
        "get_quota",
        READER,
        "Show the limits of a project.",
        "GET /quotas/{id}",
        "GET /quotas/{id}/default",
        "GET /quotas/{id}/details",
    ),
)
