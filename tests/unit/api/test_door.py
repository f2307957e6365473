"""Who waits at the door: in which order they are let in, who is turned away, and how, and who is given up."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import socket
import time
from types import SimpleNamespace

import prometheus_client
import pytest

from nova_lite.api import doorman
from nova_lite.api.handoff import Handed, Handoff, Pair
from nova_lite.api.lanes import Lane
from nova_lite.api.lines import Line, Visitor
from nova_lite.api.services import load
from nova_lite.api.turned_away import Answers, TurnedAway

CREATE = b"POST /compute/v2.1/servers HTTP/1.1\r\nHost: x\r\n"
CLIENT = ("192.0.2.1", 4711)


def visitor(token="", since=0.0, client=CLIENT, sock=None):
    shown = f"X-Auth-Token: {token}\r\n\r\n".encode() if token else b"\r\n"
    return Visitor(sock=sock, client=client, since=since, head=CREATE + shown)


def line(*visitors):
    made = Line(Lane.CHANGE)
    for one in visitors:
        made.join(one)
    return made


def let_in(waiting):
    while waiting.length:
        yield waiting.first()
        waiting.pass_on()


# -- lines -------------------------------------------------------------------------------------------------------------


def test_each_token_has_its_turn_however_many_of_another_came_before():
    greedy = [visitor("greedy") for _ in range(3)]
    modest, nameless = visitor("modest"), visitor()

    assert list(let_in(line(*greedy, modest, nameless))) == [greedy[0], modest, nameless, *greedy[1:]]


def test_who_shows_no_token_is_told_by_the_address():
    assert visitor(client=CLIENT).owner == visitor(client=("192.0.2.1", 1)).owner
    assert visitor(client=CLIENT).owner != visitor(client=("192.0.2.2", 1)).owner
    assert visitor("a").owner == b"a"


def test_a_burst_waits_for_six_seconds():
    burst = line(*[visitor("one", since=100.0) for _ in range(128)])

    assert not list(burst.give_up(105.9))
    assert len(list(burst.give_up(106.0))) == 128
    assert burst.length == 0


def test_what_is_too_much_of_a_flood_is_turned_away_soon_and_nobody_else():
    modest = visitor("modest", since=100.0)
    flood = line(*[visitor("flood", since=100.0) for _ in range(200)], modest)

    assert not list(flood.give_up(100.2))
    assert {one.owner for one in flood.give_up(100.25)} == {b"flood"}
    assert flood.length == 128
    assert modest in list(let_in(flood))


# -- pairs -------------------------------------------------------------------------------------------------------------


def test_a_connection_comes_through_a_pair_open_with_its_client_and_when_it_came():
    pair = Pair()
    client, ours = socket.socketpair()
    with client:
        assert pair.receive() is None
        assert pair.send(Handed(sock=ours, client=CLIENT, since=12.5))
        assert ours.fileno() == -1

        handed = pair.receive()

        with handed.sock:
            assert (handed.client, handed.since, handed.sock.gettimeout()) == (CLIENT, 12.5, 0.0)
            client.sendall(b"hello")
            assert handed.sock.recv(5) == b"hello"


def test_few_fit_into_the_pair_of_a_lane_and_the_next_one_stays():
    pair = Handoff().to[Lane.CHANGE]
    ours, theirs = socket.socketpair()
    with theirs, contextlib.ExitStack() as stack:
        sent = 0
        while pair.send(Handed(sock=(copy := stack.enter_context(ours.dup())), client=CLIENT)):
            sent += 1

        assert 4 <= sent <= 64
        assert copy.fileno() >= 0


def test_the_last_writer_to_leave_is_noticed_when_all_was_taken():
    handoff = Handoff()
    pair = handoff.to[Lane.LIST]
    ours, theirs = socket.socketpair()
    pair.send(Handed(sock=ours, client=CLIENT))

    handoff.end_writing()

    with theirs:
        pair.receive().sock.close()
    with pytest.raises(EOFError):
        pair.receive()


def test_a_process_without_open_files_left_does_not_take_that_for_the_end():
    pair = Pair()
    ours, theirs = socket.socketpair()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with theirs:
        assert pair.send(Handed(sock=ours, client=CLIENT))
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            assert pair.receive() is None
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert theirs.recv(1) == b""
    assert pair.receive() is None


# -- what is said ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "key"),
    [("/compute/v2.1/servers", "serviceUnavailable"), ("/identity/v3/users", "error"), ("/network/v2.0/ports", "NeutronError"),
     ("/image/v2/images", "title"), ("/", "error")],
)  # fmt: skip
def test_who_is_turned_away_is_told_in_the_services_shape_when_to_come_back(path, key):
    head, _, body = Answers(load()).to(f"GET {path} HTTP/1.1\r\n".encode()).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(one.split(": ", 1) for one in lines)

    assert status == "HTTP/1.1 503 Service Unavailable"
    assert headers["Retry-After"] == "1"
    assert headers["Connection"] == "close"
    assert headers["X-Openstack-Request-Id"].startswith("req-")
    assert ("X-Compute-Request-Id" in headers) == path.startswith("/compute")
    assert int(headers["Content-Length"]) == len(body)
    assert key in json.loads(body)


def test_each_answer_has_its_own_request_id_and_one_to_head_no_body():
    answers = Answers(load())

    assert answers.to(b"GET / HTTP/1.1") != answers.to(b"GET / HTTP/1.1")
    assert answers.to(b"HEAD / HTTP/1.1").endswith(b"\r\n\r\n")


def test_another_process_shows_how_many_were_turned_away():
    counted = TurnedAway()
    registry = prometheus_client.CollectorRegistry()
    registry.register(counted)

    child = os.fork()
    if not child:
        counted.add(Lane.CHANGE)
        counted.add(Lane.CHANGE)
        os._exit(0)
    os.waitpid(child, 0)

    assert registry.get_sample_value("nova_lite_requests_turned_away_total", {"kind": "change"}) == 2
    assert registry.get_sample_value("nova_lite_requests_turned_away_total", {"kind": "list"}) == 0


# -- the doorman -------------------------------------------------------------------------------------------------------


class Alone(doorman.Doorman):
    """A doorman in this process, who does a turn when he is told to."""

    def __init__(self, listener, most=100):
        self.cfg = SimpleNamespace(worker_connections=most, keepalive=75)
        self.sockets, self.alive = [listener], True
        self.PIPE = os.pipe()
        self.attend(Handoff(), Answers(load()), TurnedAway())
        self.open()

    def notify(self):
        """Nobody watches."""

    def turn(self, until):
        end = time.monotonic() + 30
        while not until():
            assert time.monotonic() < end
            self._turn(0.05)

    def handed(self, lane):
        return self._handoff.to[lane].receive()


@pytest.fixture
def alone():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Alone(listener)


@contextlib.contextmanager
def calling(door, words=b""):
    with socket.create_connection(door.sockets[0].getsockname(), timeout=10) as client:
        client.sendall(words)
        yield client


def test_a_connection_that_says_nothing_is_handed_to_nobody_until_it_does(alone):
    with calling(alone) as client:
        alone.turn(lambda: alone._silent)

        client.sendall(CREATE + b"\r\n")
        alone.turn(lambda: not alone._silent)

        assert alone.handed(Lane.CHANGE).client == client.getsockname()


def test_nobody_takes_what_a_flood_brings_and_each_is_told_so(alone, monkeypatch):
    monkeypatch.setattr("nova_lite.api.lines.BURST_S", 0.1)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(calling(alone, CREATE + b"\r\n")) for _ in range(60)]
        alone.turn(lambda: alone._turned_away.count(Lane.CHANGE) and not alone._lines[Lane.CHANGE].length)

        taken = sum(alone.handed(Lane.CHANGE) is not None for _ in range(60))
        told = alone._turned_away.count(Lane.CHANGE)
        assert taken + told == 60
        assert clients[-1].recv(4096).startswith(b"HTTP/1.1 503 ")
    alone.turn(lambda: not alone._leaving)


def test_a_connection_that_is_given_back_waits_for_its_next_request(alone):
    came = []
    with calling(alone, CREATE + b"\r\n") as client:
        alone.turn(lambda: came or came.extend(filter(None, [alone.handed(Lane.CHANGE)])))
        came[0].sock.recv(4096)  # it is served
        assert alone._handoff.back.send(came[0])
        alone.turn(lambda: alone._kept)

        client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        alone.turn(lambda: not alone._kept)

        assert alone.handed(Lane.OPERATOR).client == client.getsockname()


@pytest.mark.parametrize(("most", "silent_left", "kept_left"), [(10, 2, 2), (4, 1, 2), (3, 0, 2), (2, 0, 1)])
def test_the_longest_silent_are_given_up_when_few_more_fit(alone, most, silent_left, kept_left):
    alone.cfg.worker_connections = most
    silent = []
    with contextlib.ExitStack() as stack:
        for number in range(4):
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            stack.enter_context(theirs)
            one = visitor(sock=ours)
            (alone._silent if number < 2 else alone._kept)[ours] = one
            alone._poller.register(ours, selectors.EVENT_READ, alone._listen)
            silent.append(one)

        alone._make_room()

        assert (len(alone._silent), len(alone._kept)) == (silent_left, kept_left)
        assert [one.sock.fileno() == -1 for one in silent] == sorted((one.sock.fileno() == -1 for one in silent), reverse=True)
