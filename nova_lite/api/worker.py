"""gunicorn's threaded worker, made safe against slow clients, with threads by lane.

Connections come from the doorman (`doorman`), when they say something. Each gets a thread of its lane (`lanes`), which waits
only as long as the client keeps up: `HEADERS_S` seconds for the headers (`HURRIED_S` while others wait), `BODY_S` for the
body and `SEND_S` for the answer in all, and one more for each `FLOOR` bytes that came or went. So one byte a second is cut
off after some seconds, and an image may move for hours.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import logging
import os
import select
import selectors
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent import futures
from typing import Any

from gunicorn import glogging
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.workers.gthread import TConn, ThreadWorker

from nova_lite.api import admission
from nova_lite.api.admission import LINES
from nova_lite.api.handoff import Handed, Handoff
from nova_lite.api.lanes import HEAD_BYTES, Lane, lane_of, threads_of

HEADERS_S = 4.0
HURRIED_S = 0.5  # for the headers, while others wait for a thread
BODY_S = 10.0
FLOOR = 16 * 1024
SEND_S = 10.0
PIECE = 256 * 1024  # of an answer: after each one the time is looked at
SENDFILE_PIECE = 1 << 24  # at most; after whatever the kernel took at once the time is looked at
# The kernel gives up to wait for room after so long for each page (4 KiB); then a piece of any size is faster than FLOOR.
STALL = struct.pack("ll", 0, 200_000)  # struct timeval
READ_PIECE = 1 << 16  # where the kernel cannot read the file
FILE_FAILS = {errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.EREMOTEIO}  # what no socket says
DRAINED = 16 * 1024  # as much of a body that nobody read is taken in after the answer; gunicorn would take four times that
LINGER_S = 1.0  # so long, and for so many bytes, a client may still send what nobody wants before it reads its answer
LINGERED = 1 << 20


class PatientSocket(socket.socket):
    """A connection whose reads and writes end when the client stands still. Too slow looks like a client that left."""

    grace_s = HEADERS_S
    waited_s = 0.0
    received = 0
    sending_s = 0.0
    sent = 0
    ended = False

    def setblocking(self, flag: bool) -> None:
        """Wait for a bounded time where gunicorn asks to wait for ever."""
        self.settimeout(SEND_S if flag else 0.0)

    def begin(self, grace_s: float) -> None:
        """Start to count anew: the headers come, or the body does."""
        self.grace_s = grace_s
        self.waited_s = self.sending_s = 0.0
        self.received = self.sent = 0

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Give what came. Raises: ConnectionResetError when too little came for too long."""
        left = self.grace_s + self.received / FLOOR - self.waited_s
        if self.gettimeout() == 0.0:
            return super().recv(size, flags)
        if left <= 0:
            raise self._too_slow()
        self.settimeout(min(left, self.grace_s))
        started = time.monotonic()
        try:
            data = super().recv(size, flags)
        except TimeoutError as error:
            raise self._too_slow() from error
        finally:
            self.waited_s += time.monotonic() - started
            self.settimeout(SEND_S)
        self.received += len(data)
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it. Raises: ConnectionResetError when too little was taken for too long."""
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[self._timed(functools.partial(super().send, rest[:PIECE], flags)) :]

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes of a file from `offset`, by the kernel where it can. Raises: as `sendall`.

        In any case the file is left behind the last byte that was sent, as by the library's own; who counts looks there. One
        whose rest comes from elsewhere (image/reading.py) is left behind the last byte that was read.
        """
        done = 0
        try:
            while count is None or done < count:
                size = SENDFILE_PIECE if count is None else min(SENDFILE_PIECE, count - done)
                sent = self._timed(functools.partial(self._send_of, file, offset + done, size))
                if not sent:
                    break
                done += sent
        finally:
            if done and hasattr(file, "seek"):
                with contextlib.suppress(io.UnsupportedOperation):  # by now no file, and not all that was read was taken
                    file.seek(offset + done)
        return done

    def _send_of(self, file: Any, offset: int, size: int) -> int:
        """Send of a file what the kernel takes now, or as soon as it takes some; 0 at its end. Raises: TimeoutError.

        Where the file fails, or ends before it should, its `read` may know where the rest is.

        The library's `sendfile` goes on until a piece is sent whole, so its pieces would have to be small for the time to be
        looked at, and each goes through much Python.
        """
        try:
            number = file.fileno()
        except (AttributeError, OSError):
            return super().sendfile(file, offset=offset, count=min(size, PIECE))
        until = time.monotonic() + (self.gettimeout() or 0.0)
        while True:
            try:
                with self._blocking():
                    sent = os.sendfile(self.fileno(), number, offset, size)
                return sent or self._send_read(file, offset, size)
            except BlockingIOError:
                poll = select.poll()
                poll.register(self, select.POLLOUT)
                if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                    raise TimeoutError from None
            except OSError as error:
                if error.errno not in FILE_FAILS:
                    raise
                return self._send_read(file, offset, size)

    @contextlib.contextmanager
    def _blocking(self) -> Iterator[None]:
        """Have the kernel wait for room by itself, for a moment: each return to Python is a fight for its lock."""
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, STALL)
        os.set_blocking(self.fileno(), True)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # ended meanwhile
                os.set_blocking(self.fileno(), False)

    def _send_read(self, file: Any, offset: int, size: int) -> int:
        """Send what a file gives to who reads it, all of that; 0 at its end. Raises: TimeoutError; what reading raises."""
        file.seek(offset)
        data = memoryview(file.read(min(size, READ_PIECE)))
        sent = 0
        while sent < len(data):
            sent += super().send(data[sent:])
        return sent

    def _timed(self, send: Callable[[], int]) -> int:
        """Send a piece within the time that is left."""
        if self.gettimeout() == 0.0:
            return send()
        left = SEND_S + self.sent / FLOOR - self.sending_s
        if left <= 0:
            raise self._too_slow()
        self.settimeout(min(left, SEND_S))
        started = time.monotonic()
        try:
            count = send()
        except TimeoutError as error:
            raise self._too_slow() from error
        finally:
            self.sending_s += time.monotonic() - started
            self.settimeout(SEND_S)
        self.sent += count
        return count

    def shutdown(self, how: int) -> None:
        """Refuse to end a connection in peace that has been ended: gunicorn would wait for the client where it accepts."""
        if self.ended:
            raise OSError(errno.ENOTCONN, "the connection has been ended")
        super().shutdown(how)

    def linger(self) -> None:
        """Say that nothing more comes, and throw away what the client still sends, for a while.

        Closing at once would reset the connection: a client that is still sending would lose the answer with it.
        """
        if self.ended:
            return
        until, left = time.monotonic() + LINGER_S, LINGERED
        with contextlib.suppress(OSError):
            super().shutdown(socket.SHUT_WR)
            while left > 0 and (left_s := until - time.monotonic()) > 0:
                self.settimeout(left_s)
                data = super().recv(65536)
                if not data:
                    break
                left -= len(data)
        self.ended = True

    def _too_slow(self) -> ConnectionResetError:
        self.ended = True
        return ConnectionResetError(errno.ECONNRESET, "the client is too slow")


def _should_close(req: Any, by_headers: Callable[[], bool]) -> bool:
    """Tell whether the answer has to say `Connection: close`: also when too much of the body was left unread.

    gunicorn closes such connections too, but only after it promised to keep them: the client's next request would fail.
    """
    return by_headers() or _is_much_left(req.body)


def _is_much_left(body: Any) -> bool:
    if body.failed:
        return True
    if isinstance(body.reader, ChunkedReader):
        return body.reader.parser is not None  # nobody knows how much is still to come
    return isinstance(body.reader, LengthReader) and body.reader.length > DRAINED


def _peek(conn: Any) -> bytes:
    """Look at what a connection has sent, without a wait and without taking it."""
    if conn.sock.gettimeout() != 0.0:
        return b""  # it was being served a moment ago: what comes next is read ahead already
    try:
        return bytes(conn.sock.recv(HEAD_BYTES, socket.MSG_PEEK))
    except OSError:
        return b""  # it is gone, which a thread will find


def room_of(lane: Lane, threads: int) -> int:
    """Say how many requests of a lane a process takes in, those being served too; more wait at the door."""
    return max(LINES.get(lane.value, 0), 2 * threads_of(lane, threads))


def _is_kept(conn: Any, future: Any) -> bool:
    """Whether a connection was answered, stays open, and has sent nothing that was read already."""
    if future.cancelled() or future.exception() is not None or future.result() is not True:
        return False
    return not conn.parser.unreader.buf.getvalue()


class Worker(ThreadWorker):
    """Gives each connection from the doorman a thread of its lane and a patient socket, and tells how long it waited."""

    def attend(self, handoff: Handoff, lanes: Collection[Lane]) -> Worker:
        """Take where connections come from, and of which lanes; before the fork."""
        self._handoff = handoff
        self._lanes = lanes
        return self

    def init_process(self) -> None:
        """Keep nothing open by which nobody could see that the doorman has ended; gunicorn's method."""
        self._handoff.end_writing()
        self._server = self.sockets[0].getsockname()
        for listener in self.sockets:
            listener.close()
        self.sockets = []
        super().init_process()

    def get_thread_pool(self) -> futures.ThreadPoolExecutor:
        """Make the threads of all lanes; give gunicorn the common ones."""
        self._in_hand: Counter[Lane] = Counter()  # requests that wait or are being served; this thread alone changes it
        self._open: set[Lane] = set()  # whose end has not come
        self._listening: set[Lane] = set()
        self._pools = {
            lane: futures.ThreadPoolExecutor(threads_of(lane, self.cfg.threads), thread_name_prefix=lane.value) for lane in Lane
        }
        return self._pools[Lane.COMMON]

    def set_accept_enabled(self, enabled: bool) -> None:
        """Begin to take connections; gunicorn's method. They end when the doorman does: see `_take`."""
        if enabled and not self._open:
            self._open = set(self._lanes)
            self.nr_conns += 1  # the door: gunicorn waits for it too before it ends
            for lane in self._lanes:
                self._listen(lane)
        self._accepting = enabled

    def _listen(self, lane: Lane) -> None:
        """Listen to a lane exactly while there is room for one more."""
        wanted = lane in self._open and self._in_hand[lane] < room_of(lane, self.cfg.threads)
        if wanted == (lane in self._listening):
            return
        reading = self._handoff.to[lane].reading
        if wanted:
            self._listening.add(lane)
            self.poller.register(reading, selectors.EVENT_READ, functools.partial(self._take, lane))
        else:
            self._listening.remove(lane)
            self.poller.unregister(reading)

    def _take(self, lane: Lane, _reading: Any) -> None:
        """Take the connections that wait, as far as there is room, or learn that none will come any more."""
        try:
            while self._in_hand[lane] < room_of(lane, self.cfg.threads):
                handed = self._handoff.to[lane].receive()
                if handed is None:
                    break
                self.nr_conns += 1
                conn = TConn(self.cfg, handed.sock, handed.client, self._server)
                self._line_up(conn, lane, handed.since)
        except EOFError:
            self._open.remove(lane)
            if not self._open:
                self.nr_conns -= 1
        self._listen(lane)

    def enqueue_req(self, conn: Any) -> None:
        """Let a connection that is here already wait for a thread; gunicorn's method."""
        self._line_up(conn, lane_of(_peek(conn)), time.monotonic())

    def _line_up(self, conn: Any, lane: Lane, since: float) -> None:
        conn.data_ready = True
        conn.queued_at = since
        conn.lane = lane
        self._in_hand[lane] += 1
        future = self._pools[lane].submit(self.handle, conn)
        future.add_done_callback(functools.partial(self.method_queue.defer, self.finish_request, conn))

    def finish_request(self, conn: Any, future: Any) -> None:
        """Take a connection back from its thread; gunicorn's method. One that is kept open waits with the doorman."""
        self._in_hand[conn.lane] -= 1
        if _is_kept(conn, future) and self._give_back(conn):
            self.nr_conns -= 1
        else:
            super().finish_request(conn, future)
        self._listen(conn.lane)

    def _give_back(self, conn: Any) -> bool:
        return bool(self._open) and self._handoff.back.send(Handed(sock=conn.sock, client=conn.client))

    def handle(self, conn: Any) -> Any:
        """Serve what a connection sends; gunicorn's method, in a thread."""
        queued_s = time.monotonic() - conn.queued_at
        admission.note_queued(queued_s, self._in_hand[conn.lane])
        if not isinstance(conn.sock, PatientSocket):
            conn.sock = PatientSocket(fileno=conn.sock.detach())
        conn.sock.begin(HEADERS_S if queued_s < admission.PATIENCE_S else HURRIED_S)
        result = super().handle(conn)
        if not result and isinstance(conn.sock, PatientSocket):
            conn.sock.linger()  # in this thread; gunicorn would in the one that accepts connections
        return result

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Serve a request whose headers are here; gunicorn's method."""
        conn.sock.begin(BODY_S)
        req.should_close = functools.partial(_should_close, req, req.should_close)
        return super().handle_request(req, conn)


class Logger(glogging.Logger):
    """gunicorn's log in ours: no handlers and no format of its own."""

    def setup(self, cfg: Any) -> None:
        """Leave all to the root logger; gunicorn's own news are details."""
        self.cfg = cfg
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        for log in (self.error_log, self.access_log):
            log.handlers[:] = []
            log.propagate = True
            log.setLevel(logging.WARNING)
