"""Which threads a request waits for, told by its first bytes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import socket
import threading
from collections import Counter
from types import SimpleNamespace

import pytest

from nova_lite.api import admission, daemon, worker
from nova_lite.api.admission import Admission, Kind
from nova_lite.api.handoff import Handed, Handoff
from nova_lite.api.lanes import Lane, lane_of, threads_of
from nova_lite.api.worker import room_of

BODY = b" HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("line", "lane"),
    [
        (b"POST /compute/v2.1/servers", Lane.CHANGE),
        (b"DELETE /compute/v2.1/servers/7", Lane.CHANGE),
        (b"PUT /network/v2.0/ports/7", Lane.CHANGE),
        (b"PATCH /image/v2/images/7", Lane.CHANGE),
        (b"POST /identity/v3/auth/tokens?nocatalog", Lane.LOGIN),
        (b"PUT /image/v2/images/7/file", Lane.COMMON),
        (b"GET /compute/v2.1/servers", Lane.LIST),
        (b"GET /compute/v2.1/servers/detail?limit=1", Lane.LIST),
        (b"GET /image/v2/images/", Lane.LIST),
        (b"GET /compute/v2.1/servers/7", Lane.COMMON),
        (b"GET /compute/v2.1/servers/7/os-interface", Lane.COMMON),
        (b"GET /compute/v2.1/os-services?host=h1", Lane.OPERATOR),
        (b"HEAD /compute/v2.1/os-hypervisors/detail", Lane.OPERATOR),
        (b"GET /healthz", Lane.OPERATOR),
        (b"GET /", Lane.COMMON),
        (b"\x16\x03\x01", Lane.COMMON),
    ],
)
def test_a_requests_lane_is_told_by_its_first_line(line, lane):
    assert lane_of(line + BODY) is lane


@pytest.mark.parametrize("line", [b"GET /compute/v2.1/os-services", b"POST /compute/v2.1/servers"])
def test_who_has_not_sent_all_headers_keeps_no_thread_of_others_waiting(line):
    assert lane_of((line + BODY)[:-1]) is Lane.COMMON


@pytest.mark.parametrize("threads", [2, 4, 16, 64])
def test_each_lane_has_threads_for_all_slots_of_its_kind_and_some_that_refuse(threads):
    gates = Admission(threads)
    admission.note_queued(admission.BURST_S)
    for lane in Lane:
        with contextlib.ExitStack() as stack, pytest.raises(admission.errors.NovaLiteError):
            for _ in range(threads_of(lane, threads)):
                stack.enter_context(gates.slot(lane.value, "p"))
    admission.note_queued(0.0)


@pytest.mark.parametrize(
    ("kind", "waited_s", "line", "left_s"),
    [
        (Kind.CHANGE, 0.0, 128, 6.0),
        (Kind.CHANGE, 4.0, 128, 2.0),
        (Kind.CHANGE, 7.0, 1, 0.0),
        (Kind.CHANGE, 0.0, 129, 0.25),
        (Kind.CHANGE, 1.0, 129, 0.0),
        (Kind.LIST, 0.0, 32, 6.0),
        (Kind.LIST, 0.0, 33, 0.25),
        (Kind.LOGIN, 0.0, 32, 6.0),
        (Kind.LOGIN, 0.0, 33, 0.25),
        (Kind.READ, 0.0, 1, 0.25),
        (Kind.OPERATOR, 0.0, 1, 0.25),
        (Kind.HOST, 0.0, 1, 0.0),
    ],
)
def test_a_burst_waits_for_seconds_and_a_flood_does_not(kind, waited_s, line, left_s):
    admission.note_queued(waited_s, line)
    assert admission.patience_left(kind) == left_s
    admission.note_queued(0.0)


class Still(worker.Worker):
    """A worker that serves nothing until it is told to, and remembers who was being served."""

    def __init__(self):
        self.cfg = SimpleNamespace(threads=4, keepalive=75)
        self.method_queue = SimpleNamespace(defer=lambda *_: None)
        self.poller = SimpleNamespace(register=lambda *_: None, unregister=lambda *_: None)
        self.nr_conns = 0
        self.begun = Counter()
        self.all_begun = threading.Semaphore(0)
        self.go = threading.Event()
        self._server = ("127.0.0.1", 8774)
        self.get_thread_pool()
        self.attend(Handoff(), tuple(Lane))
        self.set_accept_enabled(True)

    def handle(self, conn):
        self.begun[conn.lane] += 1
        self.all_begun.release()
        self.go.wait(30)


@pytest.fixture
def still():
    made = Still()
    yield made
    made.go.set()
    for pool in made._pools.values():
        pool.shutdown()


@contextlib.contextmanager
def connection(data=b""):
    ours, client = socket.socketpair()
    with ours, client:
        client.sendall(data)
        ours.setblocking(False)
        yield ours


def come(still, lane, count, stack):
    """Have so many connections come from the doorman, and taken as far as there is room."""
    for _ in range(count):
        ours = stack.enter_context(connection())
        assert still._handoff.to[lane].send(Handed(sock=ours, client=("192.0.2.1", 1)))
        if lane in still._listening:
            still._take(lane, None)


def test_an_operators_look_has_a_thread_however_many_changes_and_lists_wait(still):
    with contextlib.ExitStack() as stack:
        come(still, Lane.CHANGE, 100, stack)
        come(still, Lane.LIST, 30, stack)
        come(still, Lane.OPERATOR, 1, stack)
        for _ in range(4 + 2 + 1):
            assert still.all_begun.acquire(timeout=30)

        assert still.begun == {Lane.CHANGE: 4, Lane.LIST: 2, Lane.OPERATOR: 1}
        assert still._in_hand == {Lane.CHANGE: 100, Lane.LIST: 30, Lane.OPERATOR: 1}
        still.go.set()


def test_a_process_takes_no_more_than_it_has_room_for_and_the_rest_stays_at_the_door(still, monkeypatch):
    monkeypatch.setattr(worker.ThreadWorker, "finish_request", lambda *_: None)
    with contextlib.ExitStack() as stack:
        come(still, Lane.LIST, room_of(Lane.LIST, 4) + 2, stack)

        assert still._in_hand[Lane.LIST] == room_of(Lane.LIST, 4) == 32
        assert Lane.LIST not in still._listening

        done = concurrent.futures.Future()
        done.set_result(False)
        still.finish_request(SimpleNamespace(lane=Lane.LIST), done)

        assert Lane.LIST in still._listening
        still._take(Lane.LIST, None)
        assert still._in_hand[Lane.LIST] == 32
        still.go.set()


def test_a_process_ends_when_nobody_can_hand_it_anything_any_more(still):
    still._handoff.end_writing()
    assert still.nr_conns == 1

    for lane in Lane:
        still._take(lane, None)

    assert still.nr_conns == 0
    assert not still._listening


def kept(sock, read_ahead=b""):
    parser = SimpleNamespace(unreader=SimpleNamespace(buf=io.BytesIO(read_ahead)))
    return SimpleNamespace(lane=Lane.COMMON, sock=sock, client=("192.0.2.1", 1), parser=parser)


@pytest.mark.parametrize(("result", "read_ahead", "goes"), [(True, b"", True), (True, b"GET", False), (False, b"", False)])
def test_a_connection_that_stays_open_waits_with_the_doorman_unless_more_of_it_is_here(
    still, monkeypatch, result, read_ahead, goes
):
    theirs = []
    monkeypatch.setattr(worker.ThreadWorker, "finish_request", lambda _self, conn, _future: theirs.append(conn))
    done = concurrent.futures.Future()
    done.set_result(result)
    with connection() as ours:
        still.finish_request(kept(ours, read_ahead), done)

        given_back = still._handoff.back.receive()
        assert (given_back is not None, not theirs) == (goes, goes)
        if given_back:
            given_back.sock.close()


@pytest.mark.parametrize(("files", "connections"), [(1024, 824), (4200, 4000), (20000, 4000), (100, 64)])
def test_a_process_takes_no_more_connections_than_it_has_files_for(files, connections):
    assert daemon.connections_within(files) == connections
