"""Opens what a Keystone's users kept there: its database holds it encrypted, with keys that are files beside it."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from nova_lite import errors
from nova_lite.identity.stored_credentials import EC2
from nova_lite.model.imported import Records

NULL_KEY = base64.urlsafe_b64encode(bytes(32))  # what Keystone takes where nobody has set up keys


def read_keys(folder: Path) -> list[bytes]:
    """Read the keys in Keystone's [credential] key_repository, newest first. Raises: ConfigError."""
    try:
        files = sorted((path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
        keys = [path.read_bytes().strip() for path in reversed(files)]
        for key in keys:
            Fernet(key)
    except (OSError, ValueError) as error:
        raise errors.ConfigError(f"--credential-keys: {folder} does not hold Keystone's keys.") from error
    if not keys:
        raise errors.ConfigError(f"--credential-keys: there are no keys in {folder}.")
    return keys


def open_stored(records: Records, keys: list[bytes]) -> None:
    """Open the blobs of the stored credentials; those that do not open are left alone, and told."""
    ring = MultiFernet([Fernet(key) for key in (*keys, NULL_KEY)])
    opened = []
    for one in records.stored:
        try:
            text = ring.decrypt(one.blob.encode()).decode()
            opened.append(dataclasses.replace(one, blob=_unwrapped(text) if one.type == EC2 else text))
        except (InvalidToken, ValueError):
            hint = "none of the keys opens it" if keys else "--credential-keys says where its key is"
            records.left.append(f"Credential {one.id} ({one.type} of user {one.user_id}): {hint}.")
    records.stored = opened


def _unwrapped(text: str) -> str:
    """Give the blob of a key pair, which Keystone writes as JSON within JSON. Raises: ValueError."""
    inner = json.loads(text)
    return inner if isinstance(inner, str) else json.dumps(inner)
