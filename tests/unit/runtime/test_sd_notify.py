"""What systemd is told."""

from __future__ import annotations

import os
import socket

import pytest

from nova_lite.runtime.sd_notify import notify, watchdog_s


@pytest.mark.parametrize("abstract", [False, True])
def test_lines_reach_the_socket(tmp_path, monkeypatch, abstract):
    name = f"@nova-lite-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name[1:]}" if abstract else name)
        channel.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)

        notify("READY=1", "STATUS=ok")

        assert channel.recv(100) == b"READY=1\nSTATUS=ok"


@pytest.mark.parametrize("place", ["", "relative", "/nowhere/socket"])
def test_without_systemd_nothing_happens(monkeypatch, place):
    monkeypatch.setenv("NOTIFY_SOCKET", place)

    notify("READY=1")


@pytest.mark.parametrize(
    ("wanted", "whose", "seconds"),
    [("", "", None), ("30000000", "", 30.0), ("30000000", "mine", 30.0), ("30000000", "1", None), ("0", "", None)],
)
def test_the_watchdogs_measure_is_read(monkeypatch, wanted, whose, seconds):
    monkeypatch.setenv("WATCHDOG_USEC", wanted)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if whose == "mine" else whose)

    assert watchdog_s() == seconds
