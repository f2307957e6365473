"""Options of identity: the embedded service, or an outside Keystone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from oslo_config import cfg

from nova_lite import errors

GROUP = "identity"
EMBEDDED, KEYSTONE = "embedded", "keystone"
OPTIONS = (
    cfg.StrOpt(
        "mode",
        default=EMBEDDED,
        choices=[EMBEDDED, KEYSTONE],
        help="Who knows users and projects: the embedded service, or the Keystone at auth_url.",
    ),
    cfg.URIOpt(
        "auth_url",
        schemes=["http", "https"],
        help="Where the outside Keystone is, as clients reach it: https://keystone.example:5000/v3.",
    ),
    cfg.StrOpt("ca_file", help="Certificates of the authorities that https:// trusts. By default the system's."),
    cfg.StrOpt("service_user", default="nova-lite", max_length=255, help="The user that checks tokens in Keystone."),
    cfg.StrOpt(
        "service_password",
        secret=True,
        help="Its password. By default what `nova-lite identity register` wrote to keys/keystone.password in state_dir.",
    ),
    cfg.StrOpt("service_project", default="service", max_length=64, help="The project in which it has the role service."),
    cfg.StrOpt("service_domain", default="Default", max_length=64, help="The name of the domain of that user and project."),
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
    cfg.StrOpt("password_pattern", default="", help="A regular expression that new passwords must match; empty: any will do."),
    cfg.StrOpt("password_description", default="", help="What password_pattern demands, in words for users."),
    cfg.IntOpt("password_lifetime", default=0, min=0, max=36500, help="Days until a new password expires; 0: never."),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class IdentityOptions:
    """How tokens are made, and what the catalog shows."""

    token_lifetime_s: int = 3600
    allow_rescope_scoped_token: bool = True
    region: str = "RegionOne"
    policy_file: str = "/etc/nova-lite/policy.yaml"
    password_pattern: str = ""
    password_description: str = ""
    password_lifetime_days: int = 0
    keystone: KeystoneOptions | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeystoneOptions:
    """An outside Keystone, and who we are there. `password` is empty where nobody registered us yet."""

    auth_url: str
    password_file: Path
    user: str = "nova-lite"
    password: str = dataclasses.field(default="", repr=False)
    project: str = "service"
    domain: str = "Default"
    region: str = "RegionOne"
    ca_file: str | None = None


def read(conf: cfg.ConfigOpts) -> IdentityOptions:
    """Take the values out of a parsed configuration. Raises: ConfigError when the outside Keystone has no address."""
    group = conf[GROUP]
    return IdentityOptions(
        token_lifetime_s=group.token_lifetime,
        allow_rescope_scoped_token=group.allow_rescope_scoped_token,
        region=group.region,
        policy_file=group.policy_file,
        password_pattern=group.password_pattern,
        password_description=group.password_description,
        password_lifetime_days=group.password_lifetime,
        keystone=_keystone(conf) if group.mode == KEYSTONE else None,
    )


def _keystone(conf: cfg.ConfigOpts) -> KeystoneOptions:
    group = conf[GROUP]
    if not group.auth_url:
        raise errors.ConfigError("[identity] auth_url: mode = keystone needs the address of that Keystone.")
    password_file = Path(conf.state_dir) / "keys" / "keystone.password"
    password = group.service_password or ""
    if not password and password_file.is_file():
        password = password_file.read_text(encoding="utf-8").strip()
    return KeystoneOptions(
        auth_url=group.auth_url.rstrip("/"),
        password_file=password_file,
        user=group.service_user,
        password=password,
        project=group.service_project,
        domain=group.service_domain,
        region=group.region,
        ca_file=group.ca_file or None,
    )
