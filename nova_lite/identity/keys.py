"""The keys tokens are signed with: a file of several, the newest signs, the others still check until their tokens expire."""

from __future__ import annotations

import base64
import dataclasses
import json
import secrets
from pathlib import Path

from nova_lite import errors
from nova_lite.rpc.files import write_secret

FILE = "tokens.json"
LEAD_S = 10.0  # a new key is known everywhere before it signs
EXPIRED_S = 172_800.0  # so long services may still look at an expired token: what it began has not ended
SLACK_S = EXPIRED_S + 300.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Key:
    """A secret with a name; it signs from `signs_from` (epoch seconds) on, until a newer one does."""

    id: str
    secret: bytes = dataclasses.field(repr=False)
    signs_from: float


def key_file(state_dir: Path) -> Path:
    """Give where the keys are kept."""
    return state_dir / "keys" / FILE


def ensure_keys(path: Path, now: float) -> None:
    """Make the file with one key when it is missing. May be repeated, by several processes at the same time too.

    The first one's stays: what it has signed or sealed meanwhile must be good.
    """
    if not path.exists():
        _write(path, [_new_key(now)], replace=False)


def rotate(path: Path, now: float, token_lifetime_s: float) -> None:
    """Add a key that signs from a few seconds on; drop those whose last token has expired."""
    keys = read(path)
    fresh = _new_key(now + LEAD_S)
    kept = [key for key, successor in zip(keys[1:], keys[:-1], strict=True) if _needed(successor, now, token_lifetime_s)]
    _write(path, [fresh, keys[0], *kept])


def add_key(path: Path, now: float) -> None:
    """Add a key that is used at once, and drop all but the newest of those before it."""
    _write(path, [_new_key(now), read(path)[0]])


def _needed(successor: Key, now: float, token_lifetime_s: float) -> bool:
    """Whether a key may still have live tokens: it signed until its successor did."""
    return successor.signs_from + token_lifetime_s + SLACK_S > now


def _new_key(signs_from: float) -> Key:
    return Key(id=secrets.token_hex(4), secret=secrets.token_bytes(32), signs_from=signs_from)


def read(path: Path) -> list[Key]:
    """Read the keys, newest first. Raises: ConfigError when the file is missing or not what we wrote."""
    try:
        entries = json.loads(path.read_text(encoding="ascii"))["keys"]
        keys = [
            Key(id=str(entry["id"]), secret=base64.b64decode(entry["secret"]), signs_from=float(entry["signs_from"]))
            for entry in entries
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise errors.ConfigError(
            f"The keys in {path} cannot be read. Bring them back from a copy; `nova-lite up` makes new ones where none are, "
            "which ends all tokens and leaves stored secrets unreadable."
        ) from error
    if not keys or any(len(key.secret) < 32 for key in keys):
        raise errors.ConfigError(f"The keys in {path} are not usable.")
    return sorted(keys, key=lambda key: key.signs_from, reverse=True)


def _write(path: Path, keys: list[Key], *, replace: bool = True) -> None:
    """Write the file at once, readable by its owner only; with `replace` off one that is there stays."""
    entries = [{"id": key.id, "secret": base64.b64encode(key.secret).decode(), "signs_from": key.signs_from} for key in keys]
    write_secret(path, json.dumps({"keys": entries}, indent=1).encode("ascii"), replace=replace)


class KeyRing:
    """The keys as a process knows them; read again when the file changes."""

    def __init__(self, path: Path) -> None:
        """Nothing is read before the first use."""
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys: list[Key] = []
        self._by_id: dict[str, bytes] = {}

    def refresh(self) -> None:
        """Read the file when it changed. Raises: ConfigError."""
        try:
            status = self._path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = None
        if stamp is None or stamp != self._stamp:
            keys = read(self._path)
            self._by_id = {key.id: key.secret for key in keys}
            self._keys = keys
            self._stamp = stamp

    def signing(self, now: float) -> Key:
        """Give the newest key that may sign."""
        if not self._keys:
            self.refresh()
        for key in self._keys:
            if key.signs_from <= now:
                return key
        return self._keys[-1]

    def secret(self, key_id: str) -> bytes | None:
        """Give a key's secret, or None when it is unknown."""
        if key_id not in self._by_id:
            self.refresh()  # an api whose clock is ahead signs with a new key before the others have looked
        return self._by_id.get(key_id)
