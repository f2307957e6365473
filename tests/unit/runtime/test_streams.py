"""Bytes between two sockets."""

from __future__ import annotations

import os
import socket
import threading

from nova_lite.runtime.streams import carry, close, shut


def pair():
    """Give the two outer ends of a carrying, and its thread."""
    (left, inner_left), (right, inner_right) = socket.socketpair(), socket.socketpair()
    thread = threading.Thread(target=carry, args=(inner_left, inner_right), daemon=True)
    thread.start()
    for one in (left, right):
        one.settimeout(15)
    return left, right, thread


def gather(one, count):
    data = b""
    while len(data) < count:
        part = one.recv(65536)
        assert part
        data += part
    return data


def test_much_goes_both_ways_at_once_and_whole():
    left, right, _ = pair()
    there, back = os.urandom(4 << 20), os.urandom(4 << 20)
    writers = [threading.Thread(target=side.sendall, args=(data,)) for side, data in ((left, there), (right, back))]
    for writer in writers:
        writer.start()
    found = {}
    readers = [
        threading.Thread(target=lambda side=side, name=name, size=size: found.update({name: gather(side, size)}))
        for side, name, size in ((right, "there", len(there)), (left, "back", len(back)))
    ]
    for reader in readers:
        reader.start()
    for thread in (*writers, *readers):
        thread.join(30)

    assert found == {"there": there, "back": back}


def test_what_was_sent_before_the_end_arrives():
    left, right, thread = pair()
    left.sendall(b"last words")
    left.shutdown(socket.SHUT_WR)

    assert gather(right, 10) == b"last words"
    assert right.recv(1) == b""
    thread.join(15)
    assert not thread.is_alive()


def test_a_side_that_takes_nothing_stops_the_other_after_little():
    left, right, _ = pair()
    left.settimeout(0.5)
    sent = 0
    try:
        while sent < 64 << 20:
            sent += left.send(b"x" * 65536)
    except TimeoutError:
        pass

    assert sent < 8 << 20  # the kernel's buffers, and 64 KiB of ours
    close(right)


def test_another_thread_can_end_it():
    outer, inner = socket.socketpair()
    _, other = socket.socketpair()
    thread = threading.Thread(target=carry, args=(inner, other), daemon=True)
    thread.start()
    shut(inner)
    thread.join(15)

    assert not thread.is_alive()
    close(outer)
    close(outer)  # may be repeated
