"""The consoles of simulated guests: a screen by RFB 3.8 (RFC 6143) that changes its colour with each key, and a serial line.

Both are there to be connected to: by tests, by other projects' test suites, by whoever tries a dashboard without guests.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import struct
import threading

from nova_lite.compute.virt.driver import OpenConsole
from nova_lite.compute.virt.fake.guests import Guests
from nova_lite.compute.virt.fake.mishaps import Mishaps
from nova_lite.model.console import ConsoleKind
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import ServerId
from nova_lite.runtime.streams import served_by, shut

WIDTH, HEIGHT = 160, 100
VERSION = b"RFB 003.008\n"
NO_PASSWORD = 1
COLOURS = ((0x20, 0x30, 0x60), (0x20, 0x60, 0x30), (0x60, 0x30, 0x20), (0x50, 0x20, 0x60))
LONGEST_CUT = 1 << 20
LINE_CHARS = 4096
UP = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED)


class FakeConsoles:
    """The open consoles of a fake hypervisor's guests."""

    def __init__(self, guests: Guests, mishaps: Mishaps) -> None:
        """None is open."""
        self._guests = guests
        self._mishaps = mishaps
        self._lock = threading.Lock()
        self._open: dict[tuple[ServerId, ConsoleKind], list[socket.socket]] = {}

    def find(self, server_id: ServerId, kind: ConsoleKind) -> OpenConsole | None:
        """Give what connects to a made-up screen or serial line."""
        self._mishaps.befall("console")
        with self._guests.lock:
            guest = dict(self._guests.get(server_id))
        if guest["power_state"] not in UP:
            return None
        return lambda: self._connect(server_id, kind, guest["name"], guest["console"])

    def _connect(self, server_id: ServerId, kind: ConsoleKind, name: str, said: str) -> socket.socket:
        """Open one; of a guest's serial line only the newest is open. `said` is what the guest wrote so far."""
        serve = functools.partial(_serial, name=name, said=said) if kind is ConsoleKind.SERIAL else Screen(name).serve
        made = served_by(serve, f"fake-{kind.value}")
        with self._lock:
            kept = self._open.setdefault((server_id, kind), [])
            before = list(kept) if kind is ConsoleKind.SERIAL else []
            kept[:] = [one for one in kept if one.fileno() >= 0 and one not in before] + [made]
        for one in before:
            shut(one)
        return made

    def end(self, server_id: ServerId) -> None:
        """End those of a guest that is off."""
        with self._lock:
            ended = [one for kind in ConsoleKind for one in self._open.pop((server_id, kind), [])]
        for one in ended:
            shut(one)


class Screen:
    """One client's view of a screen of one colour."""

    def __init__(self, name: str) -> None:
        """`name` is the desktop's."""
        self._name = name.encode("utf-8")[:64]
        self._colour = 0
        self._pixel = struct.Struct("<I")
        self._shifts = (16, 8, 0)
        self._asked = False
        self._stale = True

    def serve(self, client: socket.socket) -> None:
        """Speak RFB until the client goes, or says what is not in it."""
        with contextlib.suppress(OSError, EOFError, struct.error):
            self._greet(client)
            while True:
                self._heed(client)
                if self._asked and self._stale:
                    client.sendall(self._picture())
                    self._asked = self._stale = False

    def _greet(self, client: socket.socket) -> None:
        client.sendall(VERSION)
        _take(client, len(VERSION))
        client.sendall(bytes((1, NO_PASSWORD)))
        if _take(client, 1) != bytes((NO_PASSWORD,)):
            raise EOFError
        client.sendall(struct.pack(">I", 0))
        _take(client, 1)  # shared or not: others' screens are their own
        pixels = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        client.sendall(struct.pack(">HH", WIDTH, HEIGHT) + pixels + struct.pack(">I", len(self._name)) + self._name)

    def _heed(self, client: socket.socket) -> None:
        """Take one message of the client's (RFC 6143, 7.5)."""
        kind = _take(client, 1)[0]
        if kind == 0:
            self._set_pixels(_take(client, 19)[3:])
        elif kind == 2:
            count = struct.unpack(">xH", _take(client, 3))[0]
            _take(client, 4 * count)
        elif kind == 3:
            incremental = _take(client, 9)[0]
            self._asked, self._stale = True, self._stale or not incremental
        elif kind == 4:
            down = _take(client, 7)[0]
            if down:
                self._colour, self._stale = (self._colour + 1) % len(COLOURS), True
        elif kind == 5:
            _take(client, 5)
        elif kind == 6:
            _take(client, min(struct.unpack(">3xI", _take(client, 7))[0], LONGEST_CUT))
        else:
            raise EOFError

    def _set_pixels(self, wanted: bytes) -> None:
        bits, _, big, _, _, _, _, red, green, blue = struct.unpack(">BBBBHHHBBB3x", wanted)
        self._pixel = struct.Struct((">" if big else "<") + {8: "B", 16: "H", 32: "I"}.get(bits, "I"))
        self._shifts = (red, green, blue)
        self._stale = True

    def _picture(self) -> bytes:
        """Give one update: the whole screen, in raw pixels."""
        value = sum(part << shift for part, shift in zip(COLOURS[self._colour], self._shifts, strict=True))
        unused = ~sum(0xFF << shift for shift in self._shifts)  # set: noVNC before 1.4 takes them for how opaque it is
        pixel = self._pixel.pack((value | unused) & ((1 << 8 * self._pixel.size) - 1))
        return struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + pixel * (WIDTH * HEIGHT)


def _serial(client: socket.socket, *, name: str, said: str) -> None:
    """Show what the guest wrote, then echo what is typed and let nobody in."""
    prompt = f"{name} login: ".encode()
    line = b""
    with contextlib.suppress(OSError):
        client.sendall(said.replace("\n", "\r\n").encode("utf-8"))
        while typed := client.recv(1024):
            answer = b""
            for octet in typed:
                if octet in b"\r\n":
                    answer += b"\r\nLogin incorrect\r\n" + prompt if line else b"\r\n" + prompt
                    line = b""
                elif len(line) < LINE_CHARS:
                    line += bytes((octet,))
                    answer += bytes((octet,))
            client.sendall(answer)


def _take(client: socket.socket, count: int) -> bytes:
    """Read so many bytes. Raises: EOFError."""
    data = b""
    while len(data) < count:
        more = client.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data
