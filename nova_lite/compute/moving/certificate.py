"""A host's own certificate: made once, signed by itself. Who connects knows its fingerprint and trusts nothing else."""

from __future__ import annotations

import datetime
import hashlib
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nova_lite.rpc.files import write_secret

YEARS = 50  # it is not what it says that counts, but that it is the one that the host told of
FILE = "move-door.pem"


def ensure(folder: Path, name: str) -> Path:
    """Have a certificate with its key in one secret file, and give the file. May be repeated, also by several at once."""
    path = folder / FILE
    if not path.exists():
        write_secret(path, _make(name), replace=False)
    return path


def fingerprint(path: Path) -> str:
    """Give the SHA-256 of the certificate in a file, in hexadecimal digits."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def server_context(path: Path) -> ssl.SSLContext:
    """Make what a door's connections are secured with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(path)
    return context


def client_context() -> ssl.SSLContext:
    """Make what a connection to a door is secured with; who uses it compares the fingerprint before it says anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _make(name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .sign(key, hashes.SHA256())
    )
    own = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=serialization.NoEncryption()
    )
    return own + certificate.public_bytes(serialization.Encoding.PEM)
