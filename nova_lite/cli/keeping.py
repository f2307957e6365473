"""Small private files of an installation: objects as JSON, and its passwords."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from nova_lite import errors
from nova_lite.rpc.files import write_secret


def read_json(path: Path) -> dict[str, Any]:
    """Give an object kept as JSON; an empty one when there is no file. Raises: ConfigError when it is damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise errors.ConfigError(f"{path} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise errors.ConfigError(f"{path} is damaged: an object was expected.")
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Keep an object as JSON."""
    write_secret(path, json.dumps(value, indent=2).encode() + b"\n")


def passwords(keys_dir: Path, names: tuple[str, ...] = ("admin", "demo")) -> dict[str, str]:
    """Give this installation's own passwords, made at random when missing. May be repeated."""
    path = keys_dir / "passwords.json"
    held = read_json(path)
    missing = [name for name in names if name not in held]
    if missing:
        held |= {name: secrets.token_urlsafe(18) for name in missing}
        write_json(path, held)
    return {name: str(held[name]) for name in names}
