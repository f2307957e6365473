"""Tickets: with one, one host downloads one image until a time, without any other credential.

A ticket is `<end>.<host>.<mac>`: the end in seconds since 1970, the host's name in base64, and an HMAC-SHA256 over image, host
and end. Both ends of the comparison are control nodes, which share the key. It is a secret: it goes in the header
`X-Image-Ticket`, never in a URL or a log.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import secrets
from pathlib import Path

from nova_lite import errors
from nova_lite.clock import Clock
from nova_lite.model.ids import HostName, ImageId
from nova_lite.rpc.files import write_secret

HEADER = "X-Image-Ticket"
FILE = "tickets.key"
KEY_BYTES = 32
LONGEST = 1024


class Tickets:
    """Makes and checks tickets."""

    def __init__(self, key_file: Path, clock: Clock) -> None:
        """Nothing is read before the first use."""
        self._key_file = key_file
        self._clock = clock
        self._key: bytes | None = None

    def issue(self, image_id: ImageId, host: HostName, valid_s: float) -> str:
        """Make a ticket. Raises: ConfigError when the key cannot be read."""
        end = str(math.ceil(self._clock.wall() + valid_s))
        return f"{end}.{_encode(host.encode())}.{self._mac(image_id, host, end)}"

    def check(self, ticket: str, image_id: ImageId) -> HostName:
        """Give the host a ticket was made for. Raises: Unauthorized when it is forged, over, or for another image."""
        end, host_text, mac = ([*ticket.split("."), "", ""])[:3] if len(ticket) <= LONGEST else ("", "", "")
        try:
            host = HostName(_decode(host_text).decode())
            over = int(end) < self._clock.wall() if end.isascii() and end.isdigit() else True
        except (ValueError, binascii.Error) as error:
            raise errors.Unauthorized from error
        genuine = hmac.compare_digest(mac.encode(), self._mac(image_id, host, end).encode())
        if not genuine or over:
            raise errors.Unauthorized("The ticket for this image is not valid, or not any more.")
        return host

    def _mac(self, image_id: ImageId, host: HostName, end: str) -> str:
        if self._key is None:
            self._key = read_key(self._key_file)
        text = f"image ticket\n{image_id}\n{host}\n{end}"
        return _encode(hmac.digest(self._key, text.encode(), hashlib.sha256))


def key_file(state_dir: Path) -> Path:
    """Give where the key is kept."""
    return state_dir / "keys" / FILE


def ensure_key(path: Path) -> None:
    """Make the key when it is missing. May be repeated, also by several at once."""
    if not path.exists():
        write_secret(path, secrets.token_hex(KEY_BYTES).encode(), replace=False)


def read_key(path: Path) -> bytes:
    """Read the key. Raises: ConfigError."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise errors.ConfigError(f"The key of image tickets in {path} cannot be read; `nova-lite up` makes it.") from error
    if len(key) < KEY_BYTES:
        raise errors.ConfigError(f"The key of image tickets in {path} is too short.")
    return key


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
