"""Tells systemd how a daemon is: one datagram to the socket it names. Without systemd nothing happens."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(*lines: str) -> None:
    """Send lines such as `READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=...` (sd_notify(3)). Never fails."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect(f"\0{place[1:]}" if place.startswith("@") else place)
        channel.send("\n".join(lines).encode("utf-8"))


def watchdog_s() -> float | None:
    """Give how often systemd wants a sign of life at the least, in seconds; None when it wants none of this process."""
    wanted, whose = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not wanted.isdigit() or (whose and whose != str(os.getpid())):
        return None
    return int(wanted) / 1_000_000 or None
