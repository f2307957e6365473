"""The user's clouds.yaml: our two entries go in and out, everything else stays as it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from nova_lite import errors
from nova_lite.rpc.files import write_secret

MEMBER, ADMIN = "nova-lite", "nova-lite-admin"
KIND = "clouds"  # the footprint's kind for files that hold our entries


def default_path() -> Path:
    """Give the file that OpenStack clients read: OS_CLIENT_CONFIG_FILE, else the one in the user's configuration."""
    named = os.environ.get("OS_CLIENT_CONFIG_FILE")
    return Path(named) if named else Path.home() / ".config/openstack/clouds.yaml"


def entries(auth_url: str, region: str, passwords: dict[str, str]) -> dict[str, Any]:
    """Make the two entries: a member of project demo, and the administrator."""
    people = {MEMBER: "demo", ADMIN: "admin"}
    return {name: _entry(auth_url, region, user, passwords[user]) for name, user in people.items()}


def _entry(auth_url: str, region: str, user: str, password: str) -> dict[str, Any]:
    auth = {
        "auth_url": auth_url,
        "username": user,
        "password": password,
        "project_name": user,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    return {"auth": auth, "region_name": region, "identity_api_version": 3}


def auth_of(path: Path, name: str) -> dict[str, Any]:
    """Give the login of one entry. Raises: ConfigError when there is no such entry."""
    return dict(entry_of(path, name)["auth"])


def entry_of(path: Path, name: str) -> dict[str, Any]:
    """Give one entry. Raises: ConfigError when there is no such entry."""
    entry = (_read(path).get("clouds") or {}).get(name)
    if not isinstance(entry, dict) or not isinstance(entry.get("auth"), dict):
        raise errors.ConfigError(f"{path} has no cloud {name}.")
    return dict(entry)


def merge(path: Path, wanted: dict[str, Any]) -> bool:
    """Put the entries into the file; give whether it changed. Others' entries and keys are kept. May be repeated."""
    held = _read(path)
    clouds = held.setdefault("clouds", {}) or {}
    if all(clouds.get(name) == entry for name, entry in wanted.items()):
        return False
    held["clouds"] = clouds | wanted
    write_secret(path, yaml.safe_dump(held, sort_keys=False).encode())
    return True


def remove(path: Path) -> bool:
    """Take our entries out; a file that had nothing else goes too. Give whether it changed. May be repeated."""
    held = _read(path)
    clouds = held.get("clouds") or {}
    if not {MEMBER, ADMIN} & set(clouds):
        return False
    held["clouds"] = {name: entry for name, entry in clouds.items() if name not in (MEMBER, ADMIN)}
    if held == {"clouds": {}}:
        path.unlink()
    else:
        write_secret(path, yaml.safe_dump(held, sort_keys=False).encode())
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        held = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise errors.ConfigError(f"{path} is not valid YAML; mend or move it, then run this again.") from error
    if not isinstance(held, dict):
        raise errors.ConfigError(f"{path} does not hold a mapping; mend or move it, then run this again.")
    return held
