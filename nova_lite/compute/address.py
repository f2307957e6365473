"""By which address the control side reaches this machine."""

from __future__ import annotations

import socket
import urllib.parse


def own_address(url: str) -> str:
    """Give the address from which this machine reaches the broker. Nothing is sent."""
    broker = urllib.parse.urlsplit(url.split(",", maxsplit=1)[0])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe_socket:
            probe_socket.connect((broker.hostname or "127.0.0.1", broker.port or 5672))
            return str(probe_socket.getsockname()[0])
    except OSError:
        return "127.0.0.1"
