"""Configurations of single domains (an LDAP of their own), kept for clients. Nothing here obeys them.

So does a Keystone whose `domain_specific_drivers_enabled` is off, as it is by default: our users are all in the database.
A configuration is options by group. It is sealed as a whole, for it may hold LDAP's password, which is never shown again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.db import delegation as db
from nova_lite.db import identity
from nova_lite.db.engine import Tx
from nova_lite.identity import projects
from nova_lite.identity.vault import Vault
from nova_lite.model.delegation import DomainConfig

Config = dict[str, dict[str, Any]]
# Keystone's options of a domain (API reference, "Domain configuration").
OPTIONS = {
    "identity": ("driver", "list_limit"),
    "ldap": (
        *("url", "user", "suffix", "query_scope", "page_size", "alias_dereferencing", "debug_level", "chase_referrals"),
        *("user_tree_dn", "user_filter", "user_objectclass", "user_id_attribute", "user_name_attribute"),
        *("user_mail_attribute", "user_description_attribute", "user_pass_attribute", "user_enabled_attribute"),
        *("user_enabled_invert", "user_enabled_mask", "user_enabled_default", "user_attribute_ignore"),
        *("user_default_project_id_attribute", "user_enabled_emulation", "user_enabled_emulation_dn"),
        *("user_enabled_emulation_use_group_config", "user_additional_attribute_mapping"),
        *("group_tree_dn", "group_filter", "group_objectclass", "group_id_attribute", "group_name_attribute"),
        *("group_members_are_ids", "group_member_attribute", "group_desc_attribute", "group_attribute_ignore"),
        *("group_additional_attribute_mapping", "tls_cacertfile", "tls_cacertdir", "use_tls", "tls_req_cert"),
        *("use_pool", "pool_size", "pool_retry_max", "pool_retry_delay", "pool_connection_timeout"),
        *("pool_connection_lifetime", "use_auth_pool", "auth_pool_size", "auth_pool_connection_lifetime"),
    ),
}
SECRET = ("ldap", "password")
DRIVER = "sql"


def defaults() -> Config:
    """Give what holds for every domain: the database's users, and no LDAP."""
    shown: Config = {group: dict.fromkeys(options) for group, options in OPTIONS.items()}
    shown["identity"]["driver"] = DRIVER
    return shown


def show_default(group: str | None, option: str | None) -> dict[str, Any]:
    """Give the defaults, those of a group, or of an option. Raises: Forbidden for one that there is not, or is secret."""
    _check_names(group, option)
    if (group, option) == SECRET:
        raise errors.Forbidden("Invalid domain specific configuration: this option has no default that is shown.")
    return _part(defaults(), group, option)


def show(tx: Tx, vault: Vault, domain_id: str, group: str | None, option: str | None) -> dict[str, Any]:
    """Give a domain's configuration, a group of it, or an option; secrets are left out.

    Raises: NotFound for the domain, or what is not configured; Forbidden for a group or option that there is not.
    """
    projects.get_domain(tx, domain_id)
    _check_names(group, option)
    return _part(_visible(_read(tx, vault, domain_id)), group, option)


def replace(tx: Tx, vault: Vault, domain_id: str, config: Config) -> tuple[Config, bool]:
    """Put a configuration in the place of the one before; give it, and whether there was none.

    Raises: NotFound for the domain; Forbidden for a group or option that there is not.
    """
    before = _hold(tx, vault, domain_id)
    _check(config)
    _write(tx, vault, domain_id, config)
    return _visible(config), not before


def update(
    tx: Tx, vault: Vault, domain_id: str, config: dict[str, Any], group: str | None = None, option: str | None = None
) -> Config:
    """Change some options; give the whole. With a group or option, `config` holds that alone, and it must be there already.

    Raises: NotFound for the domain, group or option; Forbidden for one that there is not, or another than was said.
    """
    before = _hold(tx, vault, domain_id)
    _check_names(group, option)
    if group is not None and list(config) != [option or group]:
        raise errors.Forbidden(f"Invalid domain specific configuration: it must hold {option or group} and nothing else.")
    changes = config if option is None else {str(group): config}
    _check(changes)
    if group is not None:
        _check_present(before, group, option)
    after = before | {name: before.get(name, {}) | options for name, options in changes.items()}
    _write(tx, vault, domain_id, after)
    return _visible(after)


def remove(tx: Tx, vault: Vault, domain_id: str, group: str | None, option: str | None) -> None:
    """Forget a domain's configuration, a group of it, or an option.

    Raises: NotFound for the domain, group or option; Forbidden for one that there is not.
    """
    before = _hold(tx, vault, domain_id)
    _check_names(group, option)
    if group is not None:
        _check_present(before, group, option)
    _write(tx, vault, domain_id, _without(before, group, option))


def _without(config: Config, group: str | None, option: str | None) -> Config:
    if group is None:
        return {}
    kept = {} if option is None else {name: value for name, value in config[group].items() if name != option}
    rest = {name: options for name, options in config.items() if name != group}
    return rest | ({group: kept} if kept else {})


def _hold(tx: Tx, vault: Vault, domain_id: str) -> Config:
    """Read the configuration of a domain that nobody else changes meanwhile. Raises: NotFound for the domain."""
    projects.get_domain(tx, domain_id)
    identity.PROJECTS.hold(tx, domain_id)
    return _read(tx, vault, domain_id)


def _read(tx: Tx, vault: Vault, domain_id: str) -> Config:
    found = db.DOMAIN_CONFIGS.find(tx, domain_id)
    return {} if found is None else json.loads(vault.open(found.content, domain_id))


def _write(tx: Tx, vault: Vault, domain_id: str, config: Config) -> None:
    db.DOMAIN_CONFIGS.delete_by(tx, id=domain_id)
    if config:
        sealed = vault.seal(json.dumps(config), domain_id)
        db.DOMAIN_CONFIGS.insert(tx, DomainConfig(id=domain_id, content=sealed))


def _visible(config: Config) -> Config:
    shown = {
        group: {option: value for option, value in options.items() if (group, option) != SECRET}
        for group, options in config.items()
    }
    return {group: options for group, options in shown.items() if options}


def _part(config: Config, group: str | None, option: str | None) -> dict[str, Any]:
    """Choose what was asked for; an option is shown without its group. Raises: NotFound."""
    if not config:
        raise errors.NotFound("Could not find any options in domain configuration.")
    if group is None:
        return config
    _check_present(config, group, option)
    return {group: config[group]} if option is None else {option: config[group][option]}


def _check_present(config: Config, group: str, option: str | None) -> None:
    if group not in config or (option is not None and option not in config[group]):
        what = f"group {group}" if option is None else f"option {option} in group {group}"
        raise errors.NotFound(f"Could not find {what} in domain configuration.")


def _check_names(group: str | None, option: str | None) -> None:
    """Raises: Forbidden, as the original, for a group or option that there is not."""
    if group is not None and group not in OPTIONS:
        raise errors.Forbidden(f"Invalid domain specific configuration: group {group[:64]} is not supported.")
    if group is not None and option is not None and option not in OPTIONS[group] and (group, option) != SECRET:
        raise errors.Forbidden(
            f"Invalid domain specific configuration: option {option[:64]} in group {group} is not supported."
        )


def _check(config: Mapping[str, Any]) -> None:
    if not config:
        raise errors.Forbidden("Invalid domain specific configuration: no options specified.")
    for group, options in config.items():
        _check_names(group, None)
        if not isinstance(options, dict) or not options:
            raise errors.Forbidden(f"Invalid domain specific configuration: group {group} must be an object of options.")
        for option in options:
            _check_names(group, option)
