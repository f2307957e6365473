"""Keys: made, brought, fingerprinted."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from nova_lite import errors
from nova_lite.servers import keys


def public_text(private):
    return private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def test_a_made_ssh_pair_fits_together():
    made = keys.make(keys.SSH, "u", "k")

    private = serialization.load_ssh_private_key(made.private_key.encode(), None)
    assert made.public_key.startswith(public_text(private))
    assert made.fingerprint == keys.fingerprint(keys.SSH, made.public_key)


def test_a_made_certificate_is_the_users():
    made = keys.make(keys.X509, "user-1", "k")

    certificate = x509.load_pem_x509_certificate(made.public_key.encode())
    assert "CN=user-1" in certificate.subject.rfc4514_string()
    assert len(made.fingerprint.split(":")) == 20


@pytest.mark.parametrize(
    "private",
    [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ],
    ids=["ed25519", "ecdsa", "rsa"],
)
def test_keys_of_many_kinds_are_taken_with_or_without_comment(private):
    text = public_text(private)

    assert keys.fingerprint(keys.SSH, text) == keys.fingerprint(keys.SSH, text + " me@home with spaces\n")


@pytest.mark.parametrize("text", ["", "nonsense", "ssh-rsa", "ssh-rsa !!!", "ssh-rsa AAAA", "sk-ssh-ed25519@openssh.com AAAA"])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(errors.BadRequest, match="Keypair data is invalid"):
        keys.fingerprint(keys.SSH, text)


def test_what_is_no_certificate_is_refused():
    with pytest.raises(errors.BadRequest, match="Keypair data is invalid"):
        keys.fingerprint(keys.X509, "nonsense")
