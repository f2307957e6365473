"""Lets the console proxy in to guests' consoles: by TLS, each time with a secret of its own that is good once, for seconds.

Guests' consoles listen nowhere on the network: this is the only way to them. The certificate is made at each start and is
told to the proxy, by its hash, in the same answer as the secret: there is no authority to set up, and nothing to renew.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import secrets
import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nova_lite import errors
from nova_lite.compute.virt.driver import OpenConsole, VirtError
from nova_lite.model.console import ConsolePlace
from nova_lite.runtime.streams import carry, close, give_up_after, shut

LOG = logging.getLogger(__name__)
SECRET_CHARS = 43  # token_urlsafe(32)
GOOD_S = 30.0
GREET_S = 10.0
MOST_WAITING = 64
MOST_OPEN = 256
WELCOME = b"+"
STUCK_MS = 30_000  # a proxy that takes nothing for so long is given up


class Relay:
    """One listening port of a host. It is opened with the first console that is asked for."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        """`address` is this host's, as the control side reaches it; port 0 is any that is free."""
        self._address = address
        self._port = port
        self._lock = threading.Lock()
        self._listening: socket.socket | None = None
        self._context: ssl.SSLContext | None = None
        self._fingerprint = ""
        self._waiting: dict[str, tuple[float, OpenConsole]] = {}
        self._open: set[socket.socket] = set()
        self._stopped = False

    def place(self, console: OpenConsole | None = None) -> ConsolePlace:
        """Tell where the proxy is let in; with a console, once, within 30 seconds, to that.

        Raises: Unavailable when the port cannot be had, or too many are waited for.
        """
        with self._lock:
            listening = self._ensure_listening()
            secret = None if console is None else self._expect(console)
            port = int(listening.getsockname()[1])
        return ConsolePlace(address=self._address, port=port, fingerprint=self._fingerprint, secret=secret)

    def stop(self) -> None:
        """Take nobody in any more, and end what is open. May be repeated."""
        with self._lock:
            self._stopped = True
            ended = [*self._open, *([self._listening] if self._listening else [])]
            self._waiting.clear()
        for one in ended:
            shut(one)  # who waits for it closes it

    def _ensure_listening(self) -> socket.socket:
        if self._stopped:
            raise errors.Unavailable("The host ends.")
        if self._listening is None:
            self._context, self._fingerprint = _new_certificate()
            try:
                self._listening = socket.create_server((self._address, self._port), backlog=64)
            except OSError as error:
                raise errors.Unavailable(f"The host cannot listen on its port for consoles: {error.strerror}.") from error
            threading.Thread(target=self._accept, args=(self._listening,), name="relay", daemon=True).start()
        return self._listening

    def _expect(self, console: OpenConsole) -> str:
        now = time.monotonic()
        self._waiting = {secret: kept for secret, kept in self._waiting.items() if kept[0] > now}
        if len(self._waiting) >= MOST_WAITING or len(self._open) >= MOST_OPEN:
            raise errors.Unavailable("The host has too many consoles open; try again in a minute.")
        secret = secrets.token_urlsafe(32)
        self._waiting[secret] = (now + GOOD_S, console)
        return secret

    def _accept(self, listening: socket.socket) -> None:
        while not self._stopped:
            try:
                arrived, _ = listening.accept()
            except OSError:
                time.sleep(0.1)  # out of files: the others end some time
                continue
            threading.Thread(target=self._serve, args=(arrived,), name="relay", daemon=True).start()
        close(listening)

    def _serve(self, arrived: socket.socket) -> None:
        with self._lock:
            if self._context is None or len(self._open) >= MOST_OPEN:
                close(arrived)
                return
            self._open.add(arrived)
        proxy: socket.socket = arrived
        try:
            arrived.settimeout(GREET_S)
            proxy = self._context.wrap_socket(arrived, server_side=True)
            with self._lock:
                self._open = (self._open - {arrived}) | {proxy}
            console = self._recognize(proxy)
            if console is not None:
                _join(proxy, console)
        except (OSError, VirtError) as error:
            LOG.info("A console could not be opened, or was cut.", extra={"reason": type(error).__name__})
        finally:
            with self._lock:
                self._open -= {arrived, proxy}
            close(proxy)

    def _recognize(self, proxy: socket.socket) -> OpenConsole | None:
        """Give the console whose secret comes; it is used up."""
        given = b""
        while len(given) < SECRET_CHARS:
            more = proxy.recv(SECRET_CHARS - len(given))
            if not more:
                return None
            given += more
        with self._lock:
            until, console = self._waiting.pop(given.decode("ascii", errors="replace"), (0.0, None))
        return console if until > time.monotonic() else None


def _join(proxy: socket.socket, console: OpenConsole) -> None:
    guest = console()
    try:
        give_up_after(proxy, STUCK_MS)
        proxy.sendall(WELCOME)
        carry(proxy, guest)
    finally:
        close(guest)


def _new_certificate() -> tuple[ssl.SSLContext, str]:
    """Make a key and a certificate that signs itself; give a server's context with them, and the certificate's SHA-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nova-lite-compute")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    with tempfile.TemporaryDirectory(prefix="nova-lite-") as folder:  # the library reads files only
        file = Path(folder) / "relay.pem"
        file.touch(mode=0o600)
        file.write_bytes(pem)
        context.load_cert_chain(file)
    return context, hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
