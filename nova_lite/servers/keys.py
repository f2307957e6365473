"""Keys as such: making a pair, and reading and fingerprinting one that a user brings."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from nova_lite import errors

SSH = "ssh"
X509 = "x509"
RSA_BITS = 2048
YEARS_VALID = 10
UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")  # the user's name in certificates for Windows logins


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewKey:
    """A pair that was just made; the private half is a secret."""

    public_key: str
    private_key: str
    fingerprint: str


def make(kind: str, user_id: str, name: str) -> NewKey:
    """Make a pair: Ed25519 for ssh, an RSA certificate of the user's own for x509."""
    return _make_x509(user_id) if kind == X509 else _make_ssh(name)


def _make_ssh(name: str) -> NewKey:
    private = ed25519.Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    text = f"{public.decode()} Generated-by-nova-lite"
    secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    return NewKey(public_key=text, private_key=secret, fingerprint=fingerprint(SSH, text))


def _make_x509(user_id: str) -> NewKey:
    private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:64])])
    now = datetime.datetime.now(datetime.UTC)
    upn = b"\x0c" + bytes([len(user_id[:64].encode())]) + user_id[:64].encode()  # DER: UTF8String
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS_VALID))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.OtherName(UPN, upn)]), critical=False)
        .sign(private, hashes.SHA256())
    )
    text = certificate.public_bytes(serialization.Encoding.PEM).decode()
    secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return NewKey(public_key=text, private_key=secret, fingerprint=fingerprint(X509, text))


def fingerprint(kind: str, public_key: str) -> str:
    """Read a public key and give its fingerprint: MD5 of an ssh key's bytes, SHA-1 of a certificate, as Nova shows them.

    Raises: BadRequest when it is no key of that kind.
    """
    return _fingerprint_x509(public_key) if kind == X509 else _fingerprint_ssh(public_key)


def _fingerprint_ssh(public_key: str) -> str:
    words = public_key.strip().split(None, 2)
    try:
        serialization.load_ssh_public_key(public_key.strip().encode())
        data = _decoded(words[1])
    except UnsupportedAlgorithm:
        data = _blob_of(words)  # a kind of key that our library does not know, such as one held on a security token
    except (ValueError, IndexError, UnicodeError) as error:
        if len(words) > 1 and words[0].startswith(("sk-ssh-", "sk-ecdsa-")):
            data = _blob_of(words)
        else:
            raise errors.BadRequest("Keypair data is invalid: failed to generate fingerprint") from error
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return _colons(digest)


def _blob_of(words: list[str]) -> bytes:
    """Check only that the key's bytes say the same type as its text. Raises: BadRequest."""
    try:
        data = _decoded(words[1])
    except (ValueError, IndexError) as error:
        raise errors.BadRequest("Keypair data is invalid: failed to generate fingerprint") from error
    kind = words[0].encode()
    if data[:4] != len(kind).to_bytes(4, "big") or data[4 : 4 + len(kind)] != kind:
        raise errors.BadRequest("Keypair data is invalid: failed to generate fingerprint")
    return data


def _decoded(word: str) -> bytes:
    return base64.b64decode(word, validate=True)


def _fingerprint_x509(public_key: str) -> str:
    try:
        certificate = x509.load_pem_x509_certificate(public_key.encode())
    except ValueError as error:
        raise errors.BadRequest("Keypair data is invalid: failed to generate X509 fingerprint.") from error
    return _colons(certificate.fingerprint(hashes.SHA1()).hex())  # noqa: S303 - what the API has always shown


def _colons(digest: str) -> str:
    return ":".join(digest[start : start + 2] for start in range(0, len(digest), 2))
