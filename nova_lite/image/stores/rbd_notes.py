"""Who writes into a pool of Ceph: the notes and leases of uploads, on one object."""

from __future__ import annotations

import orjson

from nova_lite.image.stores import writers
from nova_lite.image.stores.base import KEY
from nova_lite.image.stores.ceph import Cluster

UPLOADS = "nova_lite_uploads"  # the object of notes and leases
LEASE_MARK = "lock."


def forget(cluster: Cluster, key: str) -> None:
    """Remove note and lease of an upload. May be repeated. Raises: OSError."""
    cluster.drop_note(UPLOADS, LEASE_MARK + key)
    cluster.drop_note(UPLOADS, key)


def is_alive(cluster: Cluster, key: str, notes: dict[str, bytes]) -> bool:
    """Whether an upload lives: it has its lease, and its process is not known to be gone. Raises: OSError."""
    if not cluster.is_leased(UPLOADS, key):
        return False
    return key not in notes or writers.lives(read_note(notes[key]), 0.0)  # the note comes right after the lease


def read_note(note: bytes) -> dict[str, object]:
    """Read who writes; nothing of a note that says nothing."""
    try:
        found = orjson.loads(note)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def client_of(notes: dict[str, bytes], key: str) -> str | None:
    """Give Ceph's address of who writes an upload; None where its note does not tell."""
    client = read_note(notes.get(key, b"")).get("client")
    return None if client is None else str(client)


def writes_more(cluster: Cluster, client: str, notes: dict[str, bytes]) -> bool:
    """Whether any upload of a client lives. Raises: OSError."""
    own = [key for key in notes if KEY.fullmatch(key) and client_of(notes, key) == client]
    return any(is_alive(cluster, key, notes) for key in own)
