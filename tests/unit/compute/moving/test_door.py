"""The door between hosts, over real TLS: who is let through, what comes, and that it is what was there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import ssl
import threading
import time

import pytest

from nova_lite.compute import effort
from nova_lite.compute.moving import certificate, tunnel
from nova_lite.compute.moving import fetch as fetching
from nova_lite.compute.moving.door import PIECE, Door, LiveOffer, Offer, _Handler
from nova_lite.compute.moving.fetch import FetchError, Fetching, fetch
from nova_lite.compute.virt.fetching import Fetcher
from nova_lite.image.client import Stopped
from nova_lite.rpc.commands import MoveSource

SERVER = "11111111-2222-4333-8444-555555555555"
TOKEN = "secret"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()
QUICK = Fetching(without_progress_s=0.2, pause_s=0.05)


class Stage:
    """A door with one server's files, and what an open migration lets through."""

    def __init__(self, folder):
        self.there, self.here = folder / "there", folder / "here"
        self.there.mkdir()
        self.files = {}
        self.live = None
        self.door = Door(folder / "keys", "h1", address="127.0.0.1")
        self.door.add("h1", self._offer, lambda _server: self.live)
        self.at = self.door.open()

    def _offer(self, server_id):
        return Offer(token_sha256=DIGEST, files=dict(self.files)) if self.files and server_id == SERVER else None

    def file(self, name, content):
        path = self.there / name
        path.write_bytes(content)
        self.files[name] = path
        return path

    def source(self, **changes):
        values = {
            "host": "h1",
            "address": "127.0.0.1",
            "port": self.at.port,
            "fingerprint": self.at.fingerprint,
            "token": TOKEN,
        }
        return MoveSource(**{**values, **changes})

    def fetch(self, stop=None, tell=lambda done, total: None, how=QUICK, **changes):
        fetch(self.source(**changes), SERVER, self.here, stop or threading.Event(), tell, how=how)


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path)
    yield stage
    stage.door.close()


def test_files_come_whole_and_again_changes_nothing(stage):
    content = os.urandom(PIECE + 12345)
    stage.file("root.qcow2", content)
    stage.file("swap.raw", b"")
    told = []

    stage.fetch(tell=lambda done, total: told.append((done, total)))
    stage.fetch()

    assert (stage.here / "root.qcow2").read_bytes() == content
    assert (stage.here / "swap.raw").read_bytes() == b""
    assert told[-1] == (len(content), len(content))
    assert sorted(path.name for path in stage.here.iterdir()) == ["root.qcow2", "swap.raw"]


def test_holes_stay_holes(stage):
    path = stage.file("disk.raw", b"x")
    os.truncate(path, 5 * PIECE)

    stage.fetch()

    status = (stage.here / "disk.raw").stat()
    assert status.st_size == 5 * PIECE
    assert status.st_blocks * 512 <= PIECE + 65536


def test_what_an_earlier_try_left_is_used_where_it_is_right_and_mended_where_not(stage):
    content = os.urandom(3 * PIECE)
    stage.file("root.qcow2", content)
    stage.here.mkdir()
    (stage.here / ".root.qcow2.part").write_bytes(content[:PIECE] + bytes(PIECE) + b"half")

    stage.fetch()

    assert (stage.here / "root.qcow2").read_bytes() == content


def test_a_hole_that_an_earlier_try_filled_is_empty_again(stage):
    os.truncate(stage.file("disk.raw", b"x"), 3 * PIECE)
    stage.here.mkdir()
    (stage.here / ".disk.raw.part").write_bytes(b"x" + os.urandom(3 * PIECE - 1))

    stage.fetch()

    assert (stage.here / "disk.raw").read_bytes() == b"x" + bytes(3 * PIECE - 1)


@pytest.mark.parametrize("content", [bytes(100), b"y" * 100, b""])
def test_a_file_that_becomes_shorter_is_not_taken_for_whole(stage, monkeypatch, content):
    path = stage.file("root.qcow2", os.urandom(PIECE + 200))
    manifest = _Handler._manifest

    def tell_and_shorten(self, offer):
        manifest(self, offer)
        path.write_bytes(bytes(PIECE) + content)

    monkeypatch.setattr(_Handler, "_manifest", tell_and_shorten)

    with pytest.raises(FetchError, match="does not give"):
        stage.fetch()

    assert not (stage.here / "root.qcow2").exists()


def test_a_fetching_that_fails_ends_with_all_of_its_connections(stage, monkeypatch):
    stage.file("root.qcow2", os.urandom(3 * PIECE))
    began, go_on, written = threading.Event(), threading.Event(), []
    piece = fetching._Lane.piece

    def one_fails(self, file, name, first, end):
        if first == 0:
            began.wait(20)
            threading.Timer(0.3, go_on.set).start()
            raise FetchError("no more")
        began.set()
        go_on.wait(20)
        fetched = piece(self, file, name, first, end)
        written.append(os.fstat(file).st_size)  # still this file: its number is nobody else's
        return fetched

    monkeypatch.setattr(fetching._Lane, "piece", one_fails)

    with pytest.raises(FetchError, match="no more"):
        stage.fetch()

    assert written == [3 * PIECE]


def test_pieces_come_over_two_connections_and_the_works_own_progress_is_told(stage, monkeypatch):
    monkeypatch.setattr("nova_lite.compute.moving.fetch.TELL_S", 0.0)
    stage.file("root.qcow2", os.urandom(4 * PIECE))
    told, both, stream = [], threading.Barrier(2), _Handler._stream
    monkeypatch.setattr(_Handler, "_stream", lambda *given: (both.wait(20), stream(*given)))

    with effort.measured(effort.Effort(tell=told.append)):
        Fetcher(QUICK).fetch(stage.source(), SERVER, stage.here, threading.Event())

    assert [progress.disk_processed for progress in told] == [PIECE, 2 * PIECE, 3 * PIECE, 4 * PIECE, 4 * PIECE]


@pytest.mark.parametrize("changes", [{"token": "another"}, {"host": "h2"}, {"token": ""}])
def test_who_has_no_right_gets_nothing(stage, changes):
    stage.file("root.qcow2", b"data")

    with pytest.raises(FetchError, match="refuses"):
        stage.fetch(**changes)

    assert not stage.here.exists()


def test_what_is_not_set_aside_is_not_given(stage):
    with pytest.raises(FetchError, match="refuses"):
        stage.fetch()


def test_another_certificate_hears_no_token(stage):
    stage.file("root.qcow2", b"data")

    with pytest.raises(FetchError, match="another certificate"):
        stage.fetch(fingerprint="0" * 64)


def test_a_door_that_is_not_there_is_given_up_in_time(stage):
    stage.door.close()

    with pytest.raises(FetchError, match="does not give"):
        stage.fetch()


def test_a_door_that_comes_back_goes_on(stage):
    content = os.urandom(2 * PIECE)
    stage.file("root.qcow2", content)
    port = stage.at.port
    stage.door.close()
    stage.door._address = ("127.0.0.1", port)
    threading.Timer(0.5, stage.door.open).start()

    stage.fetch(how=Fetching(without_progress_s=20.0, pause_s=0.05))

    assert (stage.here / "root.qcow2").read_bytes() == content


def test_a_fetching_can_be_stopped(stage):
    stage.file("root.qcow2", b"data")
    stop = threading.Event()
    stop.set()

    with pytest.raises(Stopped):
        stage.fetch(stop=stop)


def test_a_rate_is_kept(stage):
    stage.file("root.qcow2", os.urandom(PIECE // 4))
    began = time.monotonic()

    stage.fetch(how=Fetching(rate_mib_s=4))

    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize(
    "path", ["/", "/moves/h1", f"/moves/h1/{SERVER}/../../etc/passwd", f"/moves/h1/{SERVER}/x%2f..", "/live/h1"]
)
def test_paths_that_are_none_are_refused_like_any_other(stage, path):
    stage.file("root.qcow2", b"data")

    connection, status, body = tunnel.connect(stage.source(), f"GET {path}", {})
    connection.close()

    assert (status, body) == (401, b"")


def test_a_silent_connection_keeps_nobody_out(stage):
    stage.file("root.qcow2", b"data")
    with socket.create_connection(("127.0.0.1", stage.at.port)):
        stage.fetch()

    assert (stage.here / "root.qcow2").read_bytes() == b"data"


def test_old_tls_is_refused(stage):
    context = certificate.client_context()
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", stage.at.port)) as raw, pytest.raises(OSError):
        context.wrap_socket(raw)


def test_the_certificate_stays_over_restarts(stage, tmp_path):
    again = Door(tmp_path / "keys", "h1", address="127.0.0.1")
    try:
        assert again.open().fingerprint == stage.at.fingerprint
    finally:
        again.close()
    assert (tmp_path / "keys" / certificate.FILE).stat().st_mode & 0o777 == 0o600


def test_a_door_that_took_any_port_takes_it_again(tmp_path):
    ports = []
    for _ in range(2):
        door = Door(tmp_path, "h1", address="127.0.0.1")
        ports.append(door.open().port)
        door.close()
    (tmp_path / "door.port").write_text("99999999")
    door = Door(tmp_path, "h1", address="127.0.0.1")
    with contextlib.closing(door):
        assert door.open().port in range(1, 65536)

    assert ports[0] == ports[1]


@pytest.fixture
def echo():
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            near.sendall(b"said: " + near.recv(100))
            near.close()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def test_a_tunnel_carries_bytes_both_ways_and_a_file_goes_in(stage, echo, tmp_path):
    stage.live = LiveOffer(
        token_sha256=DIGEST, facts={"host": "h1"}, files={"config.iso": tmp_path / "config.iso"}, places={"memory": echo}
    )
    assert tunnel.ask(stage.source(), SERVER) == {"host": "h1"}
    tunnel.give(stage.source(), SERVER, "config.iso", b"a drive")
    assert (tmp_path / "config.iso").read_bytes() == b"a drive"

    with tunnel.Tunnels(stage.source(), SERVER) as tunnels:
        tunnels.listen_unix(tmp_path / "near", "memory")
        with socket.socket(socket.AF_UNIX) as near:
            near.connect(str(tmp_path / "near"))
            near.settimeout(10)
            near.sendall(b"hello")
            assert near.recv(100) == b"said: hello"


@pytest.mark.parametrize("name", ["root.qcow2", "..", "other"])
def test_only_files_that_are_waited_for_go_in(stage, tmp_path, name):
    stage.live = LiveOffer(token_sha256=DIGEST, facts={}, files={"config.iso": tmp_path / "config.iso"}, places={})

    with pytest.raises(FetchError, match="refuses"):
        tunnel.give(stage.source(), SERVER, name, b"x")


def test_without_the_token_no_guest_comes_in(stage, tmp_path):
    stage.live = LiveOffer(token_sha256=DIGEST, facts={}, files={"config.iso": tmp_path / "config.iso"}, places={"memory": 1})

    with pytest.raises(FetchError, match="refuses"):
        tunnel.ask(stage.source(token="another"), SERVER)
    with pytest.raises(FetchError, match="refuses"):
        tunnel.give(stage.source(token="another"), SERVER, "config.iso", b"x")
    _, status, _ = tunnel.connect(stage.source(token="another"), f"GET /live/h1/{SERVER}/tunnel/memory", {})
    assert status == 401


def test_both_sides_make_the_same_two_ports_of_a_token():
    first, second = tunnel.ports_of(DIGEST)

    assert second == first + 1
    assert 61000 <= first < second < 65536
