"""Which threads a request waits for, told by its first bytes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
import threading
from collections import Counter, deque
from types import SimpleNamespace

import pytest

from nova_lite.api import admission, daemon, worker
from nova_lite.api.admission import Admission, Kind
from nova_lite.api.lanes import Lane, lane_of, threads_of

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
    admission.note_queued(100.0)
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
        self.poller = SimpleNamespace(register=lambda sock, *_: self.polled.append(sock))
        self.polled = []
        self.pending_conns = []
        self.begun = Counter()
        self.all_begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.get_thread_pool()

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
        yield SimpleNamespace(sock=ours, initialized=False, data_ready=False, set_timeout=lambda: None)


def test_an_operators_look_has_a_thread_however_many_changes_and_lists_wait(still):
    with contextlib.ExitStack() as stack:
        lines = [b"POST /compute/v2.1/servers", b"GET /compute/v2.1/servers"] * 100 + [b"GET /compute/v2.1/os-services"]
        for line in lines:
            still.enqueue_req(stack.enter_context(connection(line + BODY)))
        for _ in range(4 + 2 + 1):
            assert still.all_begun.acquire(timeout=30)

        assert still.begun == {Lane.CHANGE: 4, Lane.LIST: 2, Lane.OPERATOR: 1}
        assert still._lines == {Lane.CHANGE: 100, Lane.LIST: 100, Lane.OPERATOR: 1}
        still.go.set()


def test_a_connection_that_says_nothing_has_no_thread(still):
    with connection() as silent:
        still.enqueue_req(silent)

        assert still.polled == [silent.sock]
        assert still.pending_conns == [silent]
    assert not still._lines


@pytest.mark.parametrize(("connections", "left"), [(8, "abcd"), (9, "bcd"), (10, "cd"), (11, "d")])
def test_the_longest_silent_are_given_up_when_few_more_connections_fit(still, connections, left):
    still.worker_connections, still.nr_conns = 10, connections
    closed = []
    still.poller.unregister = lambda _sock: None
    silent = {name: SimpleNamespace(sock=name, close=lambda name=name: closed.append(name)) for name in "abcd"}
    still.pending_conns = deque([silent["a"], silent["b"]])
    still.keepalived_conns = deque([silent["c"], silent["d"]])

    still._make_room()

    assert closed == [name for name in "abcd" if name not in left]
    assert still.nr_conns == connections - len(closed)


@pytest.mark.parametrize(("files", "connections"), [(1024, 824), (4200, 4000), (20000, 4000), (100, 64)])
def test_a_process_takes_no_more_connections_than_it_has_files_for(files, connections):
    assert daemon.connections_within(files) == connections


def test_a_line_is_as_long_as_what_has_not_been_finished(still, monkeypatch):
    monkeypatch.setattr(worker.ThreadWorker, "finish_request", lambda *_: None)
    with connection(b"POST /compute/v2.1/servers" + BODY) as one:
        still.enqueue_req(one)
        still.finish_request(one, concurrent.futures.Future())

    assert still._lines[Lane.CHANGE] == 0
