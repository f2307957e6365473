"""Who may say what: commands carry the control side's Ed25519 signature, hosts' messages an HMAC with the host's key.

The control side trusts the broker for messages among its own daemons (hosts' broker users cannot send those, broker.py).
Times do not enter: a repeated message is harmless by its pair (fence, turn), nonce or report id.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from nova_lite import errors
from nova_lite.rpc.files import write_secret
from nova_lite.rpc.letter import Letter

CONTROL = "control"
SELF_TEST = "self_test"
# ring: only saves time; probe: says nothing; reply: its id is the secret of one call;
# the others come on topics to which hosts cannot send.
TRUSTED = frozenset({"ring", "probe", "rank", "reply", "redeem_console", "review_consoles"})
DOMAIN = b"nova-lite message 1\0"
HOST_KEYS_KEPT_S = 30.0
HostKeys = Callable[[str], str | None]


class Refused(errors.Forbidden):
    """The message is not from whom it says."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proof:
    """A signature: `by` is `control` or a host's name, `value` is base64."""

    by: str
    value: str


class Signing(Protocol):
    """How one party signs what it sends, and checks what it gets."""

    def sign(self, to: str, packed: bytes) -> Proof | None:
        """Sign a packed letter for a routing key; None where no signature is asked."""

    def check(self, letter: Letter, packed: bytes, proof: Proof | None) -> None:
        """Raise Refused unless whoever may send this letter signed these bytes."""


class Unsigned:
    """Signs nothing and believes everything: for tests, and for daemons that only speak with the control side."""

    def sign(self, to: str, packed: bytes) -> Proof | None:
        """Give None."""

    def check(self, letter: Letter, packed: bytes, proof: Proof | None) -> None:
        """Accept."""


class ControlSigning:
    """The control side: signs what goes to hosts, knows every host's key."""

    def __init__(self, key: Ed25519PrivateKey, host_key: HostKeys) -> None:
        """`host_key` gives a host's key, None for one that nobody added; its answers are kept for 30 seconds."""
        self._key = key
        self._host_key = host_key
        self._kept: dict[str, tuple[float, str | None]] = {}

    def sign(self, to: str, packed: bytes) -> Proof | None:
        """Sign what goes to a host."""
        if not to.startswith("compute."):
            return None
        return Proof(by=CONTROL, value=_text(self._key.sign(DOMAIN + packed)))

    def check(self, letter: Letter, packed: bytes, proof: Proof | None) -> None:
        """Accept the control side's own methods, and hosts' with the MAC of the very host that the body names."""
        if letter.method in TRUSTED:
            return
        if proof is None:
            raise Refused("A message without a signature.", reason="unsigned")
        if letter.body.get("host") != proof.by:
            raise Refused("A host speaks for another.", reason="forged")
        key = self._key_of(proof.by)
        if key is None or not _mac_fits(key, packed, proof):
            self._kept.pop(proof.by, None)  # the host may have been added anew with another key
            raise Refused("A signature that does not fit.", reason="forged")

    def _key_of(self, host: str) -> str | None:
        kept = self._kept.get(host)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        key = self._host_key(host)
        if key is not None:
            self._kept[host] = (time.monotonic() + HOST_KEYS_KEPT_S, key)
        return key


class HostSigning:
    """A host: signs with its own key, obeys the control side alone."""

    def __init__(self, host: str, mac_key: str, control_public_key: str) -> None:
        """`control_public_key` is the text of `control.pub`. Raises: ConfigError when it is not a key."""
        self._host = host
        self._mac_key = mac_key
        self._control = read_public_key(control_public_key)

    def sign(self, to: str, packed: bytes) -> Proof | None:
        """Sign with the host's key."""
        return Proof(by=self._host, value=_text(_mac(self._mac_key, packed)))

    def check(self, letter: Letter, packed: bytes, proof: Proof | None) -> None:
        """Accept what the control side signed, and the host's own self-test."""
        if proof is None:
            raise Refused("A command without a signature.", reason="unsigned")
        if proof.by == self._host and letter.method == SELF_TEST:
            if not _mac_fits(self._mac_key, packed, proof):
                raise Refused("A self-test that is not from here.", reason="forged")
            return
        try:
            self._control.verify(_bytes(proof.value), DOMAIN + packed)
        except InvalidSignature as error:
            raise Refused("A command that the control side did not sign.", reason="forged") from error


def ensure_control_key(keys_dir: Path) -> Ed25519PrivateKey:
    """Read `control.key`, or make it and `control.pub` beside it. May be repeated; the key then stays."""
    path = keys_dir / "control.key"
    if not path.exists():
        made = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_secret(path, made, replace=False)
    key = read_control_key(keys_dir)
    write_secret(keys_dir / "control.pub", (public_text(key) + "\n").encode("ascii"))
    return key


def read_control_key(keys_dir: Path) -> Ed25519PrivateKey:
    """Read `control.key`. Raises: ConfigError when it is missing or no Ed25519 key."""
    path = keys_dir / "control.key"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise errors.ConfigError(f"The key {path} is not readable; `nova-lite up` makes it.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise errors.ConfigError(f"{path} is not an Ed25519 key.")
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """Give the public half as base64: what hosts get in their join file."""
    return _text(key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))


def read_public_key(text: str) -> Ed25519PublicKey:
    """Read what `public_text` gave. Raises: ConfigError."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.strip(), validate=True))
    except ValueError as error:
        raise errors.ConfigError("control_public_key is not a key.") from error


def _mac(key: str, packed: bytes) -> bytes:
    return hmac.new(key.encode("utf-8"), DOMAIN + packed, hashlib.sha256).digest()


def _mac_fits(key: str, packed: bytes, proof: Proof) -> bool:
    return hmac.compare_digest(_mac(key, packed), _bytes(proof.value))


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
