"""Connections whose other side stands still are given up; slow ones that keep up go on."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time

import pytest

from nova_lite.api import worker
from nova_lite.api.worker import PatientSocket

MEGABYTE = b"x" * (1024 * 1024)


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return listener.accept()[0], client


@contextlib.contextmanager
def connected(pair=socket.socketpair):
    """A patient socket and its client."""
    ours, client = pair()
    patient = PatientSocket(fileno=ours.detach())
    patient.setblocking(True)
    with patient, client:
        yield patient, client


def taken(client, size):
    got = 0
    while got < size:
        got += len(client.recv(65536))
    return got


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(worker, "SEND_S", 0.2)


def test_a_client_that_reads_gets_all(hasty):
    with connected() as (patient, client):
        reader = threading.Thread(target=taken, args=(client, 5 * len(MEGABYTE)))
        reader.start()

        patient.sendall(MEGABYTE * 5)

        reader.join(30)
        assert not reader.is_alive()
        assert patient.sent == 5 * len(MEGABYTE)


def test_a_client_that_stops_reading_is_given_up(hasty):
    with connected() as (patient, _):
        started = time.monotonic()

        with pytest.raises(ConnectionResetError):
            patient.sendall(MEGABYTE * 5)

        assert time.monotonic() - started < 30


def test_a_client_that_reads_a_little_at_a_time_is_given_up_too(hasty, monkeypatch):
    monkeypatch.setattr(worker, "FLOOR", 1024**3)
    with connected() as (patient, client):
        ending = threading.Event()

        def sip():
            while not ending.wait(0.05):
                client.recv(100_000)

        reader = threading.Thread(target=sip, daemon=True)
        reader.start()

        with pytest.raises(ConnectionResetError):
            patient.sendall(MEGABYTE * 100)

        ending.set()
        reader.join(30)
        assert patient.sent < 100 * len(MEGABYTE)


def test_a_file_goes_from_its_offset_in_pieces(tmp_path, hasty):
    path = tmp_path / "image"
    path.write_bytes(b"head" + MEGABYTE + b"tail")
    with connected() as (patient, client), path.open("rb") as file:
        got = []
        reader = threading.Thread(target=lambda: got.append(taken(client, len(MEGABYTE))))
        reader.start()

        assert patient.sendfile(file, offset=4, count=len(MEGABYTE)) == len(MEGABYTE)

        reader.join(30)
        assert got == [len(MEGABYTE)]


def test_a_file_that_ends_early_ends_the_sending(tmp_path, hasty):
    path = tmp_path / "image"
    path.write_bytes(b"abc")
    with connected() as (patient, client), path.open("rb") as file:
        assert patient.sendfile(file, offset=1, count=100) == 2
        assert client.recv(10) == b"bc"


def test_a_file_goes_by_few_calls_of_the_kernel_which_waits_for_room_itself(tmp_path, monkeypatch):
    path, calls, sendfile = tmp_path / "image", [], os.sendfile
    path.write_bytes(MEGABYTE * 64)
    monkeypatch.setattr(os, "sendfile", lambda *args: calls.append(args) or sendfile(*args))
    with connected(tcp_pair) as (patient, client), path.open("rb") as file:
        reader = threading.Thread(target=taken, args=(client, 64 * len(MEGABYTE)))
        reader.start()

        assert patient.sendfile(file, offset=0, count=64 * len(MEGABYTE)) == 64 * len(MEGABYTE)

        reader.join(30)
        assert not reader.is_alive()
        assert not os.get_blocking(patient.fileno())
    assert len(calls) <= 40  # four, and one more for each fifth of a second that the reader gets no processor; else a hundred


def test_who_sips_a_file_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "SEND_S", 1.0)
    monkeypatch.setattr(worker, "FLOOR", 1 << 30)
    path, ending = tmp_path / "image", threading.Event()
    path.write_bytes(MEGABYTE * 64)
    with connected(tcp_pair) as (patient, client), path.open("rb") as file:

        def sip():
            while not ending.wait(0.05):
                client.recv(10_000)

        reader = threading.Thread(target=sip)
        reader.start()
        try:
            with pytest.raises(ConnectionResetError):
                patient.sendfile(file, offset=0, count=64 * len(MEGABYTE))
        finally:
            ending.set()
            reader.join(30)


def test_who_stops_reading_a_file_is_given_up(tmp_path, hasty):
    path = tmp_path / "image"
    path.write_bytes(MEGABYTE * 5)
    with connected() as (patient, _), path.open("rb") as file, pytest.raises(ConnectionResetError):
        patient.sendfile(file, offset=0, count=5 * len(MEGABYTE))


def test_a_new_request_on_the_connection_has_its_time_anew(hasty):
    with connected() as (patient, _):
        patient.sending_s = 100.0
        with pytest.raises(ConnectionResetError):
            patient.sendall(b"late")

        patient.begin(worker.HEADERS_S)
        patient.sendall(b"in time")


def test_who_was_given_up_is_not_waited_for_when_the_connection_ends(hasty):
    with connected() as (patient, _):
        with pytest.raises(ConnectionResetError):
            patient.sendall(MEGABYTE * 5)

        with pytest.raises(OSError, match="ended"):
            patient.shutdown(socket.SHUT_WR)


def test_a_client_that_does_not_close_is_waited_for_once(monkeypatch):
    monkeypatch.setattr(worker, "LINGER_S", 0.1)
    with connected() as (patient, client):
        patient.linger()

        assert client.recv(1) == b""
        with pytest.raises(OSError, match="ended"):
            patient.shutdown(socket.SHUT_WR)
