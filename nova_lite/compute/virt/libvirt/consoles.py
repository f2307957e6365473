"""Guests' consoles through libvirt: nothing of them listens on the network.

A screen comes as a file descriptor (virDomainOpenGraphicsFD); a serial line as a stream (virDomainOpenConsole) of a connection
of its own, since libvirt's streams wait inside the connection.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import libvirt

from nova_lite.compute.virt.driver import OpenConsole, VirtError
from nova_lite.compute.virt.libvirt import domains
from nova_lite.compute.virt.libvirt.connection import Connection
from nova_lite.model.console import ConsoleKind
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import ServerId
from nova_lite.runtime.streams import served_by, shut

CHUNK = 4096
UP = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED)


class LibvirtConsoles:
    """Fulfils Consoles. Every guest has a screen and a serial line (xml.py)."""

    def __init__(self, libvirtd: Connection, uri: str, host: str, power_of: Callable[[ServerId], PowerState]) -> None:
        """`power_of` raises VirtError with code `no_guest`."""
        self._libvirtd = libvirtd
        self._uri = uri
        self._host = host
        self._power_of = power_of

    def find(self, server_id: ServerId, kind: ConsoleKind) -> OpenConsole | None:
        """Give what connects to the guest's screen or serial line; None while it does not run. Raises: VirtError."""
        if self._power_of(server_id) not in UP:
            return None
        if kind is ConsoleKind.VNC:
            return lambda: self._libvirtd.run(lambda connection: _screen(connection, self._host, server_id))
        return lambda: self._libvirtd.run(lambda _: _serial(self._uri, self._host, server_id))


def _screen(connection: libvirt.virConnect, host: str, server_id: ServerId) -> socket.socket:
    """Connect to a guest's VNC server. Raises: libvirtError; VirtError when there is no such guest."""
    domain = _find(connection, host, server_id)
    return socket.socket(fileno=domain.openGraphicsFD(0, 0))


def _serial(uri: str, host: str, server_id: ServerId) -> socket.socket:
    """Connect to a guest's serial line; who was connected to it before is cut off. Raises: libvirtError, VirtError."""
    connection = libvirt.open(uri)
    try:
        domain = _find(connection, host, server_id)
        stream = connection.newStream(0)
        domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    except (libvirt.libvirtError, VirtError):
        connection.close()
        raise
    return served_by(lambda far: _carry(connection, stream, far), "libvirt-console")


def _carry(connection: libvirt.virConnect, stream: libvirt.virStream, far: socket.socket) -> None:
    reading = threading.Thread(target=_read, args=(stream, far), name="libvirt-console", daemon=True)
    reading.start()
    with contextlib.suppress(OSError, libvirt.libvirtError):
        while data := far.recv(CHUNK):
            _write(stream, data)
    with contextlib.suppress(libvirt.libvirtError):
        stream.abort()
    reading.join(5.0)
    with contextlib.suppress(libvirt.libvirtError):
        connection.close()


def _read(stream: libvirt.virStream, far: socket.socket) -> None:
    with contextlib.suppress(OSError, libvirt.libvirtError):
        while data := stream.recv(CHUNK):
            far.sendall(data)
    shut(far)


def _write(stream: libvirt.virStream, data: bytes) -> None:
    while data:
        sent = stream.send(data)
        if sent <= 0:
            raise OSError("the stream takes nothing")
        data = data[sent:]


def _find(connection: libvirt.virConnect, host: str, server_id: ServerId) -> libvirt.virDomain:
    domain = domains.find(connection, host, server_id)
    if domain is None:
        raise VirtError("The host has no such guest.", code="no_guest", host_at_fault=False)
    return domain
