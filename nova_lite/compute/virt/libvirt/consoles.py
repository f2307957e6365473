"""Guests' consoles through libvirt: nothing of them listens on the network.

A screen comes as a file descriptor (virDomainOpenGraphicsFD); a serial line as a stream (virDomainOpenConsole) of a connection
of its own, since libvirt's streams wait inside the connection.
"""

from __future__ import annotations

import contextlib
import socket
import threading

import libvirt

from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.libvirt import domains
from nova_lite.model.ids import ServerId
from nova_lite.runtime.streams import served_by, shut

CHUNK = 4096


def screen(connection: libvirt.virConnect, host: str, server_id: ServerId) -> socket.socket:
    """Connect to a guest's VNC server. Raises: libvirtError; VirtError when there is no such guest."""
    domain = _find(connection, host, server_id)
    return socket.socket(fileno=domain.openGraphicsFD(0, 0))


def serial(uri: str, host: str, server_id: ServerId) -> socket.socket:
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
