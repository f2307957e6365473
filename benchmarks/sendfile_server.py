"""The least that sends a file over HTTP by sendfile, a thread a connection: what downloads are compared with.

python sendfile_server.py PORT FILE
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading

PIECE = 1 << 24


def serve(connection: socket.socket, path: str) -> None:
    """Answer one request with the whole file."""
    with contextlib.closing(connection), open(path, "rb") as file, contextlib.suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head and (data := connection.recv(4096)):
            head += data
        size = os.fstat(file.fileno()).st_size
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode())
        start = 0
        while start < size:
            start += os.sendfile(connection.fileno(), file.fileno(), start, min(PIECE, size - start))


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, sys.argv[2]), daemon=True).start()


if __name__ == "__main__":
    main()
