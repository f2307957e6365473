"""Options of the embedded identity service."""

from __future__ import annotations

import dataclasses

from oslo_config import cfg

GROUP = "identity"
OPTIONS = (
    cfg.IntOpt("token_lifetime", default=3600, min=60, max=604800, help="Seconds until a token expires."),
    cfg.BoolOpt(
        "allow_rescope_scoped_token",
        default=True,
        help="Whether a token with a scope may be exchanged for one in another scope; if not, only unscoped ones may.",
    ),
    cfg.StrOpt("region", default="RegionOne", max_length=255, help="Name of the region that the catalog shows."),
    cfg.StrOpt(
        "policy_file",
        default="/etc/nova-lite/policy.yaml",
        help="Rules of an operator that replace the product's own; may be missing, and is read again when it changes.",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class IdentityOptions:
    """How tokens are made, and what the catalog shows."""

    token_lifetime_s: int = 3600
    allow_rescope_scoped_token: bool = True
    region: str = "RegionOne"
    policy_file: str = "/etc/nova-lite/policy.yaml"


def read(conf: cfg.ConfigOpts) -> IdentityOptions:
    """Take the values out of a parsed configuration."""
    group = conf[GROUP]
    return IdentityOptions(
        token_lifetime_s=group.token_lifetime,
        allow_rescope_scoped_token=group.allow_rescope_scoped_token,
        region=group.region,
        policy_file=group.policy_file,
    )
