"""Connects to the relay of a host (compute/relay.py): by TLS, to the very certificate that was told."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl

from nova_lite import errors
from nova_lite.model.console import ConsolePlace
from nova_lite.runtime.streams import close, give_up_after

CONNECT_S = 8.0
WELCOME = b"+"
STUCK_MS = 30_000


def connect(place: ConsolePlace) -> ssl.SSLSocket:
    """Give a socket that is a guest's console. Raises: Unavailable when the host does not let us in."""
    try:
        plain = socket.create_connection((place.address, place.port), timeout=CONNECT_S)
    except OSError as error:
        raise errors.Unavailable("The server's host cannot be reached for its console.") from error
    try:
        return _greeted(plain, place)
    except OSError as error:  # what TLS refuses is one too
        close(plain)
        raise errors.Unavailable("The server's host did not open its console.") from error


def _greeted(plain: socket.socket, place: ConsolePlace) -> ssl.SSLSocket:
    give_up_after(plain, STUCK_MS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # its certificate is known by its hash, and signed by nobody
    context.verify_mode = ssl.CERT_NONE
    link = context.wrap_socket(plain)
    found = hashlib.sha256(link.getpeercert(binary_form=True) or b"").hexdigest()
    if not hmac.compare_digest(found, place.fingerprint):
        close(link)
        raise OSError("another certificate than was told")
    link.sendall((place.secret or "").encode("ascii"))
    if link.recv(1) != WELCOME:
        close(link)
        raise OSError("not let in")
    return link
