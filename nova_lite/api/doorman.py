"""The process that accepts connections and does nothing else: who comes waits here, for a word or for a process with room.

A process whose threads serve requests cannot accept too when many come: each call lets another thread have the interpreter.
Then connections wait where nobody can tell whose they are, and the kernel drops those that fit in no more. So one process
with one thread takes them in, looks at the first line of what they say without taking it, and hands each to a process
that serves its lane. Those have room for so many only (`worker.room_of`); the rest waits here (`lines`), and who waits
too long is told when to come back. A connection that says nothing costs a place in a table.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time
from collections import OrderedDict
from typing import Any

from gunicorn.workers.base import Worker

from nova_lite.api.handoff import Handed, Handoff
from nova_lite.api.lanes import HEAD_BYTES, Lane, lane_of
from nova_lite.api.lines import Line, Visitor
from nova_lite.api.turned_away import Answers, TurnedAway

ACCEPTED = 256  # in one turn
FULL = 0.9  # of the connections that it may have: from here on silent ones are given up
LINGER_S = 1.0  # so long who was turned away may send before the connection is cut
STOP_S = 2.0  # after the signal, for what kept connections may be sending
LEAST_S = 0.5  # after it, for those whose answer, given as it came, says that they are kept: they come back here
TURN_S = 1.0
BUSY_TURN_S = 0.02  # while somebody waits


class Doorman(Worker):  # type: ignore[misc]
    """gunicorn's kind of process, with neither threads nor requests."""

    def attend(self, handoff: Handoff, answers: Answers, turned_away: TurnedAway) -> Doorman:
        """Take what it works with; before the fork."""
        self._handoff = handoff
        self._answers = answers
        self._turned_away = turned_away
        return self

    def open(self) -> None:
        """Begin to take connections."""
        self._lines = {lane: Line(lane) for lane in Lane}
        self._silent: OrderedDict[socket.socket, Visitor] = OrderedDict()
        self._kept: OrderedDict[socket.socket, Visitor] = OrderedDict()
        self._leaving: OrderedDict[socket.socket, float] = OrderedDict()
        self._poller = selectors.DefaultSelector()
        self._poller.register(self.PIPE[0], selectors.EVENT_READ, self._wake)
        self._poller.register(self._handoff.back.reading, selectors.EVENT_READ, self._take_back)
        self._accepting = False
        self._set_accepting(True)

    def run(self) -> None:
        """Attend until the signal, and a little longer to those who are here; gunicorn's method."""
        self.open()
        while self.alive and self.ppid == os.getppid():
            self._turn(TURN_S)
        self._end()

    def _end(self) -> None:
        """Let in who stands at the port already, then nobody; see all off who are here."""
        for listener in self.sockets:
            self._accept(listener)
        self._set_accepting(False)
        for listener in self.sockets:
            listener.close()
        since = time.monotonic()
        while (took := time.monotonic() - since) < LEAST_S or (self._here() and took < STOP_S):
            self._turn(0.1)

    def _here(self) -> int:
        waiting = sum(line.length for line in self._lines.values())
        return len(self._silent) + len(self._kept) + len(self._leaving) + waiting

    def _turn(self, most_s: float) -> None:
        """Do what there is to do, and wait for it."""
        self.notify()
        busy = any(line.length for line in self._lines.values())
        for key, _ in self._poller.select(BUSY_TURN_S if busy else most_s):
            key.data(key.fileobj)
        for lane, line in self._lines.items():
            if line.length:
                self._hand_on(lane, line)
        self._forget(time.monotonic())
        if self.alive:
            self._set_accepting(self._here() < self.cfg.worker_connections)

    def _set_accepting(self, wanted: bool) -> None:
        if wanted == self._accepting:
            return
        for listener in self.sockets:
            if wanted:
                listener.setblocking(False)
                self._poller.register(listener, selectors.EVENT_READ, self._accept)
            else:
                self._poller.unregister(listener)
        self._accepting = wanted

    # -- who comes -----------------------------------------------------------------------------------------------------

    def _wake(self, pipe: int) -> None:
        os.read(pipe, 4096)

    def _accept(self, listener: Any) -> None:
        for _ in range(ACCEPTED):
            self._make_room()
            try:
                sock, client = listener.accept()
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EMFILE, errno.ENFILE):
                    raise
                return
            sock.setblocking(False)
            self._look(Visitor(sock=sock, client=client, since=time.monotonic()))

    def _make_room(self) -> None:
        """Give up who has been silent longest when few more fit: else idle connections would keep all others out.

        Those that have said nothing yet go first, then those whose last answer lies back longest.
        """
        for silent in (self._silent, self._kept):
            while silent and self._here() >= self.cfg.worker_connections * FULL:
                self._drop(next(iter(silent)), silent)

    def _take_back(self, _reading: Any) -> None:
        """Take connections back that were answered and are kept open."""
        for _ in range(ACCEPTED):
            handed = self._handoff.back.receive()
            if handed is None:
                return
            self._look(Visitor(sock=handed.sock, client=handed.client, since=time.monotonic(), spoke=True))

    def _look(self, visitor: Visitor) -> None:
        """See what a connection says: it joins its lane's line, waits for its first word, or is gone."""
        try:
            visitor.head = visitor.sock.recv(HEAD_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            silent = self._kept if visitor.spoke else self._silent
            silent[visitor.sock] = visitor
            self._poller.register(visitor.sock, selectors.EVENT_READ, self._listen)
            return
        except OSError:
            visitor.head = b""
        if not visitor.head:
            visitor.sock.close()
            return
        visitor.since = time.monotonic()
        self._lines[lane_of(visitor.head)].join(visitor)

    def _listen(self, sock: Any) -> None:
        """Look again at one that was silent."""
        self._poller.unregister(sock)
        visitor = self._silent.pop(sock, None) or self._kept.pop(sock)
        self._look(visitor)

    # -- where they go -------------------------------------------------------------------------------------------------

    def _hand_on(self, lane: Lane, line: Line) -> None:
        """Hand on as many as there is room for; turn away who has waited too long."""
        pair = self._handoff.to[lane]
        while line.length:
            visitor = line.first()
            if not pair.send(Handed(sock=visitor.sock, client=visitor.client, since=visitor.since)):
                break
            line.pass_on()
        for visitor in line.give_up(time.monotonic()):
            self._turned_away.add(lane)
            self._turn_away(visitor)

    def _turn_away(self, visitor: Visitor) -> None:
        """Answer, and close a moment later: closed at once, a client that is still sending would lose the answer."""
        sock = visitor.sock
        with contextlib.suppress(OSError):
            sock.send(self._answers.to(visitor.head))
            sock.shutdown(socket.SHUT_WR)
            self._leaving[sock] = time.monotonic() + LINGER_S
            self._poller.register(sock, selectors.EVENT_READ, self._drain)
            return
        sock.close()

    def _drain(self, sock: Any) -> None:
        """Throw away what is still sent; end when the client does."""
        with contextlib.suppress(BlockingIOError):
            try:
                if sock.recv(65536):
                    return
            except ConnectionError:
                pass
            self._drop(sock, self._leaving)

    def _forget(self, now: float) -> None:
        """Close what has been silent, or leaving, for long enough."""
        while self._leaving and next(iter(self._leaving.values())) <= now:
            self._drop(next(iter(self._leaving)), self._leaving)
        for silent in (self._silent, self._kept):
            while silent and now - next(iter(silent.values())).since >= self.cfg.keepalive:
                self._drop(next(iter(silent)), silent)

    def _drop(self, sock: socket.socket, among: OrderedDict[socket.socket, Any]) -> None:
        del among[sock]
        self._poller.unregister(sock)
        sock.close()
