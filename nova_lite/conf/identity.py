"""Options of the embedded identity service."""

from __future__ import annotations

import dataclasses

from oslo_config import cfg

GROUP = "identity"
OPTIONS = (
    cfg.IntOpt("token_lifetime", default=3600, min=60, max=604800, help="Seconds until a token expires."),
    cfg.StrOpt("region", default="RegionOne", max_length=255, help="Name of the region that the catalog shows."),
    cfg.StrOpt(
        "policy_file",
        default="/etc/nova-lite/policy.yaml",
        help="Rules of an operator that replace the product's own; may be missing, and is read again when it changes.",
    ),
    cfg.StrOpt("password_pattern", default="", help="A regular expression that new passwords must match; empty: any will do."),
    cfg.StrOpt("password_description", default="", help="What password_pattern demands, in words for users."),
    cfg.IntOpt("password_lifetime", default=0, min=0, max=36500, help="Days until a new password expires; 0: never."),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class IdentityOptions:
    """How tokens are made, and what the catalog shows."""

    token_lifetime_s: int = 3600
    region: str = "RegionOne"
    policy_file: str = "/etc/nova-lite/policy.yaml"
    password_pattern: str = ""
    password_description: str = ""
    password_lifetime_days: int = 0


def read(conf: cfg.ConfigOpts) -> IdentityOptions:
    """Take the values out of a parsed configuration."""
    group = conf[GROUP]
    return IdentityOptions(
        token_lifetime_s=group.token_lifetime,
        region=group.region,
        policy_file=group.policy_file,
        password_pattern=group.password_pattern,
        password_description=group.password_description,
        password_lifetime_days=group.password_lifetime,
    )
