"""Rules of stored credentials: EC2 key pairs, seeds of TOTP, certificates, and whatever else users keep here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from typing import Any

from nova_lite import errors
from nova_lite.db import delegation as db
from nova_lite.db import identity
from nova_lite.db.engine import Tx
from nova_lite.identity import revocations
from nova_lite.identity.projects import new_id
from nova_lite.identity.vault import Vault
from nova_lite.model.delegation import StoredCredential

EC2, TOTP = "ec2", "totp"
# What Keystone writes into the blob of a key pair made by a token of delegation; it must not be changed afterwards.
DELEGATED = ("trust_id", "app_cred_id", "access_token_id")
FIXED = (*DELEGATED, "access_id")


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeyPair:
    """An EC2 key pair with whose it is."""

    access: str
    secret: str = dataclasses.field(repr=False)
    user_id: str
    project_id: str
    trust_id: str | None = None

    @property
    def id(self) -> str:
        """Give the id of the credential that holds it."""
        return key_pair_id(self.access)


def key_pair_id(access: str) -> str:
    """Give the id of the credential that holds a key pair."""
    return hashlib.sha256(access.encode()).hexdigest()


def create(tx: Tx, vault: Vault, credential: StoredCredential) -> StoredCredential:
    """Keep a credential, whose `blob` is still open, and whose id is made when it is empty; give it with the blob open.

    Raises: BadRequest for an unknown user or project, or a blob that is no key pair; Conflict for a known access key.
    """
    if identity.USERS.find(tx, credential.user_id) is None:
        raise errors.BadRequest(f"There is no user {credential.user_id[:64]}.")
    if credential.project_id and identity.PROJECTS.find(tx, credential.project_id) is None:
        raise errors.BadRequest(f"There is no project {credential.project_id[:64]}.")
    key = new_id()
    if credential.type.lower() == EC2:
        key = key_pair_id(str(read_blob(credential.blob)["access"]))
    named = dataclasses.replace(credential, id=key)
    db.CREDENTIALS.insert(tx, dataclasses.replace(named, blob=vault.seal(named.blob, key)))
    return named


def read_blob(blob: str) -> dict[str, Any]:
    """Read the blob of an EC2 key pair. Raises: BadRequest when it is none; its content is never repeated."""
    try:
        found = json.loads(blob)
    except (ValueError, RecursionError) as error:
        raise errors.BadRequest("Invalid blob in credential: a key pair is a JSON object.") from error
    if not isinstance(found, dict) or not isinstance(found.get("access"), str) or not found["access"]:
        raise errors.BadRequest("Invalid blob in credential: a key pair has an access key.")
    if not isinstance(found.get("secret", ""), str):
        raise errors.BadRequest("Invalid blob in credential: the secret of a key pair is a text.")
    return found


def opened(vault: Vault, credential: StoredCredential) -> StoredCredential:
    """Give a credential as it is read from the database with its blob open."""
    return dataclasses.replace(credential, blob=vault.open(credential.blob, credential.id))


def update(tx: Tx, vault: Vault, credential_id: str, blob: str) -> StoredCredential:
    """Change the blob; tokens of a key pair end. It is still found by the access key it was made with: its id is the hash.

    Raises: NotFound; BadRequest when it would be no key pair, or one that says more than before.
    """
    present = opened(vault, db.CREDENTIALS.get(tx, credential_id))
    if present.type.lower() == EC2:
        before, after = read_blob(present.blob), read_blob(blob)
        for name in FIXED:
            if before.get(name) != after.get(name):
                raise errors.BadRequest(f"{name} can not be updated for credential")
        revocations.revoke(tx, revocations.KEY_PAIR, credential_id)
    db.CREDENTIALS.update(tx, credential_id, blob=vault.seal(blob, credential_id))
    return dataclasses.replace(present, blob=blob)


def delete(tx: Tx, credential_id: str) -> None:
    """Remove a credential; if it is a key pair, its tokens end. Raises: NotFound."""
    found = db.CREDENTIALS.get(tx, credential_id)
    db.CREDENTIALS.delete(tx, credential_id)
    if found.type.lower() == EC2:
        revocations.revoke(tx, revocations.KEY_PAIR, credential_id)


def create_key_pair(tx: Tx, vault: Vault, user_id: str, project_id: str) -> KeyPair:
    """Make an EC2 key pair. Raises: NotFound for the user or project."""
    identity.USERS.get(tx, user_id)
    identity.PROJECTS.get(tx, project_id)
    pair = KeyPair(access=new_id(), secret=secrets.token_hex(16), user_id=user_id, project_id=project_id)
    blob = json.dumps({"access": pair.access, "secret": pair.secret, "trust_id": None})
    create(tx, vault, StoredCredential(id="", user_id=user_id, project_id=project_id, type=EC2, blob=blob))
    return pair


def list_key_pairs(tx: Tx, vault: Vault, user_id: str) -> list[KeyPair]:
    """List a user's EC2 key pairs. Raises: NotFound for the user."""
    identity.USERS.get(tx, user_id)
    return [_pair(opened(vault, found)) for found in db.CREDENTIALS.list_by(tx, user_id=user_id, type=EC2)]


def get_key_pair(tx: Tx, vault: Vault, access: str) -> KeyPair:
    """Find a key pair by its access key. Raises: NotFound; Unauthorized when it was made by a token of delegation."""
    found = db.CREDENTIALS.find(tx, key_pair_id(access))
    if found is None or found.type != EC2:
        raise errors.NotFound("EC2 access key not found.")
    plain = opened(vault, found)
    if any(read_blob(plain.blob).get(name) for name in DELEGATED):
        raise errors.Unauthorized("Key pairs of trusts, application credentials and access tokens are not taken here.")
    return _pair(plain)


def _pair(credential: StoredCredential) -> KeyPair:
    blob = read_blob(credential.blob)
    return KeyPair(
        access=blob["access"],
        secret=blob.get("secret") or "",
        user_id=credential.user_id,
        project_id=credential.project_id or "",
        trust_id=blob.get("trust_id"),
    )


def delete_key_pair(tx: Tx, user_id: str, access: str) -> None:
    """Remove a user's key pair. Raises: NotFound, also when it is another's."""
    found = db.CREDENTIALS.find(tx, key_pair_id(access))
    if found is None or found.type != EC2 or found.user_id != user_id:
        raise errors.NotFound("EC2 access key not found.")
    delete(tx, found.id)
