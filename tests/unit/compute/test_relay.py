"""The way into guests' consoles: who is let in, who is not."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import threading
import time

import pytest

from nova_lite import errors
from nova_lite.compute import relay as relays
from nova_lite.compute.relay import Relay
from nova_lite.compute.virt.driver import VirtError
from nova_lite.console.host import connect
from nova_lite.runtime.streams import served_by


@pytest.fixture
def relay():
    relay = Relay()
    yield relay
    relay.stop()


def echo(far):
    while data := far.recv(65536):
        far.sendall(data)


def console():
    return served_by(echo, "echo")


def read(link, count):
    data = b""
    while len(data) < count:
        part = link.recv(65536)
        assert part, f"it ended after {len(data)} bytes"
        data += part
    return data


def test_who_has_the_secret_is_let_in_and_bytes_go_both_ways(relay):
    sent = bytes(range(256)) * 8192  # 2 MiB: more than any buffer
    with connect(relay.place(console)) as link:
        writing = threading.Thread(target=link.sendall, args=(b"x",))
        writing.start()
        writing.join()
        assert read(link, 1) == b"x"
        for at in range(0, len(sent), 65536):
            link.sendall(sent[at : at + 65536])
            assert read(link, 65536) == sent[at : at + 65536]


def test_a_secret_is_good_once(relay):
    place = relay.place(console)

    with connect(place):
        pass
    with pytest.raises(errors.Unavailable):
        connect(place)


@pytest.mark.parametrize("secret", ["", "short", "x" * 43, "x" * 10_000, "\0" * 43])
def test_a_wrong_secret_is_shut_out(relay, secret):
    place = relay.place(console)

    with pytest.raises(errors.Unavailable):
        connect(dataclasses.replace(place, secret=secret))
    with connect(place) as link:  # the right one is still good
        link.sendall(b"x")
        assert read(link, 1) == b"x"


def test_a_secret_is_good_for_seconds(relay, monkeypatch):
    monkeypatch.setattr(relays, "GOOD_S", 0.05)
    place = relay.place(console)
    time.sleep(0.1)

    with pytest.raises(errors.Unavailable):
        connect(place)


def test_being_told_where_it_is_lets_nobody_in(relay):
    place = relay.place()

    assert place.secret is None
    with pytest.raises(errors.Unavailable):
        connect(place)


def test_another_machine_in_the_place_of_the_host_is_not_told_the_secret(relay):
    impostor = Relay()
    try:
        place = relay.place(console)
        elsewhere = dataclasses.replace(place, port=impostor.place().port)

        with pytest.raises(errors.Unavailable):
            connect(elsewhere)
        with connect(place):
            pass  # so the secret was not used up there
    finally:
        impostor.stop()


def test_without_tls_nothing_is_said(relay):
    place = relay.place(console)

    with socket.create_connection((place.address, place.port), timeout=15) as plain:
        plain.sendall((place.secret or "").encode() + b"\r\n")
        answer = b""
        try:
            while part := plain.recv(4096):
                answer += part
        except ConnectionError:
            pass

    assert b"+" not in answer[:1]


def test_it_speaks_tls_1_3_only(relay):
    place = relay.place(console)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    with socket.create_connection((place.address, place.port), timeout=15) as plain, pytest.raises(OSError):  # noqa: PT011
        context.wrap_socket(plain)


def test_a_console_that_cannot_be_had_ends_the_connection(relay):
    def gone():
        raise VirtError("The host has no such guest.", code="no_guest")

    with pytest.raises(errors.Unavailable):
        connect(relay.place(gone))


def test_what_is_open_ends_with_the_guest_and_with_the_relay(relay):
    guests = []

    def kept():
        guests.append(console())
        return guests[-1]

    first, second = connect(relay.place(kept)), connect(relay.place(kept))
    guests[0].shutdown(socket.SHUT_RDWR)
    assert first.recv(1) == b""
    relay.stop()

    assert second.recv(1) == b""
    with pytest.raises(errors.Unavailable):
        relay.place(kept)


def test_so_many_are_waited_for_and_no_more(relay):
    for _ in range(relays.MOST_WAITING):
        relay.place(console)

    with pytest.raises(errors.Unavailable):
        relay.place(console)


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        relay = Relay("127.0.0.1", taken.getsockname()[1])

        with pytest.raises(errors.Unavailable, match="port"):
            relay.place()


def test_secrets_are_not_shown(relay):
    place = relay.place(console)

    assert place.secret not in repr(place)
