"""Tickets: with one, one host downloads one image, or uploads one, until a time, without any other credential.

A ticket is `<end>.<host>.<mac>`: the end in seconds of the journal's clock, the host's name in base64, and an HMAC-SHA256 over
its use, image, host, end and, where that clock begins anew with each boot, the boot's id. Who issues and who checks share
the key and that clock, so their own clocks need not agree (decision 10). It is a secret: it goes in the header
`X-Image-Ticket`, never in a URL or a log.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import enum
import hashlib
import hmac
import math
import secrets
from pathlib import Path

from nova_lite import errors
from nova_lite.image import sealing
from nova_lite.model.ids import HostName, ImageId
from nova_lite.rpc.files import write_secret

HEADER = "X-Image-Ticket"
FILE = "tickets.key"
KEY_BYTES = 32
LONGEST = 1024


class Use(enum.StrEnum):
    """What a ticket is good for. The words are signed."""

    DOWNLOAD = "image ticket"
    UPLOAD = "image upload ticket"


@dataclasses.dataclass(frozen=True)
class Moment:
    """The journal's time, and the boot that it counts from where it does not go on over one."""

    now: float
    boot_id: str | None = None


class Tickets:
    """Makes and checks tickets."""

    def __init__(self, key_file: Path) -> None:
        """Nothing is read before the first use."""
        self._key_file = key_file
        self._key: bytes | None = None

    def issue(self, image_id: ImageId, host: HostName, moment: Moment, valid_s: float, use: Use = Use.DOWNLOAD) -> str:
        """Make a ticket. Raises: ConfigError when the key cannot be read."""
        end = str(math.ceil(moment.now + valid_s))
        return f"{end}.{_encode(host.encode())}.{self._mac(_about(use, image_id, host, end), moment.boot_id)}"

    def check(self, ticket: str, image_id: ImageId, moment: Moment, use: Use = Use.DOWNLOAD) -> HostName:
        """Give the host a ticket was made for.

        Raises: Unauthorized when it is forged, over, for another image or for another use.
        """
        host, end = self.read(ticket, image_id, moment.boot_id, use)
        if end < moment.now:
            raise _refusal()
        return host

    def read(self, ticket: str, image_id: ImageId, boot_id: str | None, use: Use = Use.DOWNLOAD) -> tuple[HostName, int]:
        """Give the host of a genuine ticket and its end. Raises: Unauthorized when it is forged or for something else."""
        end, host_text, mac = ([*ticket.split("."), "", ""])[:3] if len(ticket) <= LONGEST else ("", "", "")
        try:
            host = HostName(_decode(host_text).decode())
        except (ValueError, binascii.Error) as error:
            raise errors.Unauthorized from error
        genuine = hmac.compare_digest(mac.encode(), self._mac(_about(use, image_id, host, end), boot_id).encode())
        if not genuine or not (end.isascii() and end.isdigit()):
            raise _refusal()
        return host, int(end)

    def seal(self, token: str) -> str:
        """Seal a user's token with the key of tickets. Raises: ConfigError when the key cannot be read."""
        return sealing.seal(self._read(), token)

    def unseal(self, sealed: str) -> str:
        """Open a sealed token. Raises: BadRequest when the key is another one now; ConfigError."""
        return sealing.unseal(self._read(), sealed)

    def _read(self) -> bytes:
        if self._key is None:
            self._key = read_key(self._key_file)
        return self._key

    def _mac(self, about: str, boot_id: str | None) -> str:
        key = self._read()
        text = about + (f"\n{boot_id}" if boot_id else "")
        return _encode(hmac.digest(key, text.encode(), hashlib.sha256))


def _about(use: Use, image_id: ImageId, host: HostName, end: str) -> str:
    return f"{use.value}\n{image_id}\n{host}\n{end}"


def _refusal() -> errors.Unauthorized:
    return errors.Unauthorized("The ticket for this image is not valid, or not any more.")


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
