"""What key pairs look like, by microversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_lite.api.compute import times
from nova_lite.api.microversion import ByVersion
from nova_lite.servers.keypairs import Keypair

View = dict[str, Any]


def _plain(keypair: Keypair) -> View:
    return {"name": keypair.name, "public_key": keypair.public_key, "fingerprint": keypair.fingerprint}


def _typed(keypair: Keypair) -> View:
    return _plain(keypair) | {"type": keypair.type}


IN_LIST: ByVersion[Callable[[Keypair], View]] = ByVersion({"2.1": _plain, "2.2": _typed})


def created(keypair: Keypair, shown: View, private_key: str | None) -> View:
    """Show a key pair that was just made, the private half included this once."""
    view = shown | {"user_id": keypair.user_id}
    return view | {"private_key": private_key} if private_key is not None else view


def whole(keypair: Keypair, shown: View) -> View:
    """Show all that is known of one key pair."""
    return shown | {
        "user_id": keypair.user_id,
        "id": keypair.id,
        "created_at": times.micro(keypair.created_at),
        "updated_at": None,
        "deleted_at": None,
        "deleted": False,
    }
