"""A host's door with one file of one server, and beside it the least that sends the same file over TLS.

python door_server.py FOLDER FILE    prints where both listen, and ends when its standard input does
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import sys
import threading
from pathlib import Path

from nova_lite.compute.moving import certificate
from nova_lite.compute.moving.door import Door, Offer
from nova_lite.model.ids import HostName

PIECE = 1 << 20
HOST, TOKEN = HostName("source"), "token"


def serve(connection: socket.socket, context: ssl.SSLContext, path: Path) -> None:
    """Send the whole file to whoever connects."""
    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secure, path.open("rb") as file:
        while data := file.read(PIECE):
            secure.sendall(data)
        secure.unwrap()


def listen(folder: Path, path: Path) -> int:
    """Serve in threads; give the port."""
    context = certificate.server_context(certificate.ensure(folder, "plain"))
    listener = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, context, path), daemon=True).start()

    threading.Thread(target=work, daemon=True).start()
    return int(listener.getsockname()[1])


def main() -> None:
    folder, path = Path(sys.argv[1]), Path(sys.argv[2])
    offer = Offer(token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest(), files={path.name: path})
    door = Door(folder, HOST, address="127.0.0.1")
    door.add(HOST, lambda _server: offer, lambda _server: None)
    at = door.open()
    print(json.dumps({"port": at.port, "fingerprint": at.fingerprint, "plain": listen(folder, path)}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
