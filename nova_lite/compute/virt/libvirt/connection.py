"""The one connection to libvirt: every call bounded, the connection made anew when it broke, events to a listener.

libvirt's calls cannot be interrupted. Each runs in a thread of a pool; one that does not return in time is left behind
with its pool and its connection, and the caller is told that the hypervisor does not answer.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import libvirt

from nova_lite.compute.virt.driver import VirtError
from nova_lite.rpc.trouble import Trouble

LOG = logging.getLogger(__name__)
T = TypeVar("T")
CALL_S = 30.0
AWAY_S = 20.0  # how long a call waits for a libvirt that is being started anew
RETRY_S = 0.5
THREADS = 16
KEEPALIVE_S, KEEPALIVE_TRIES = 5, 3
Act = Callable[[libvirt.virConnect], T]
OnEvent = Callable[[libvirt.virDomain, int], None]


class _Lost(Exception):
    """The connection broke, or there is none."""


@dataclasses.dataclass(eq=False)
class _Session:
    """A connection, and how many calls are in it."""

    connection: libvirt.virConnect
    users: int = 0


@functools.cache
def _run_event_loop() -> threading.Thread:
    """Start libvirt's event loop, once a process and before anything is opened."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # else it writes to standard error
    libvirt.virEventRegisterDefaultImpl()

    def run() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    thread = threading.Thread(target=run, name="libvirt-events", daemon=True)
    thread.start()
    return thread


class Connection:
    """Runs functions of a `virConnect`. They may run again when the connection breaks: each must be safe to repeat."""

    def __init__(self, uri: str, on_event: OnEvent, *, call_s: float = CALL_S, away_s: float = AWAY_S) -> None:
        """Nothing is opened before the first call. `on_event` gets lifecycle events; it must return at once."""
        self._uri = uri
        self._on_event = on_event
        self._call_s = call_s
        self._away_s = away_s
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._open: _Session | None = None
        self._pool = _pool()
        self._trouble = Trouble(LOG)
        self._callbacks: list[Any] = []

    def run(self, act: Act[T], *, timeout_s: float | None = None) -> T:
        """Run a function with the connection.

        Raises: VirtError with code `unavailable` when libvirt does not answer, else `virt` with what it refused.
        """
        until = time.monotonic() + self._away_s
        while True:
            try:
                return self._once(act, timeout_s or self._call_s)
            except _Lost as lost:
                if time.monotonic() > until:
                    raise VirtError("The hypervisor does not answer.", code="unavailable") from lost
                time.sleep(RETRY_S)

    def close(self) -> None:
        """Close it; a call in hand is left behind."""
        with self._lock:
            session, self._open = self._open, None
            pool, self._pool = self._pool, _pool()
        if session is not None and session.users == 0:
            pool.submit(_close, session.connection)
        pool.shutdown(wait=False)

    def _once(self, act: Act[T], timeout_s: float) -> T:
        with self._lock:
            pool = self._pool
        future = pool.submit(self._call, act)
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError as error:
            self._abandon(pool)
            raise VirtError("The hypervisor does not answer.", code="unavailable") from error
        except concurrent.futures.CancelledError as error:
            raise _Lost from error

    def _call(self, act: Act[T]) -> T:
        session = self._take()
        try:
            return act(session.connection)
        except libvirt.libvirtError as error:
            if not is_alive(session.connection):
                self._forget(session.connection)
                raise _Lost from error
            LOG.warning("libvirt refused.", extra={"code": error.get_error_code(), "said": error.get_error_message()})
            raise VirtError("The hypervisor refused.") from error
        finally:
            self._give_back(session)

    def _take(self) -> _Session:
        """Give the open connection, or open one. Raises: _Lost."""
        with self._opening:
            with self._lock:
                if self._open is not None:
                    self._open.users += 1
                    return self._open
            _run_event_loop()
            try:
                connection = libvirt.open(self._uri)
                self._watch(connection)
            except libvirt.libvirtError as error:
                self._trouble.say("libvirt cannot be reached.", code=error.get_error_code())
                raise _Lost from error
            self._trouble.over("libvirt can be reached again.")
            with self._lock:
                self._open = _Session(connection, users=1)
                return self._open

    def _give_back(self, session: _Session) -> None:
        """Close a connection that was replaced once its last call has returned."""
        with self._lock:
            session.users -= 1
            finished = session.users == 0 and self._open is not session
        if finished:
            _close(session.connection)

    def _watch(self, connection: libvirt.virConnect) -> None:
        def on_close(closed: libvirt.virConnect, reason: int, _opaque: object) -> None:
            LOG.info("The connection to libvirt was closed.", extra={"code": reason})
            self._forget(closed)

        def on_event(_connection: libvirt.virConnect, domain: libvirt.virDomain, event: int, _detail: int, _o: object) -> None:
            self._on_event(domain, event)

        if connection.setKeepAlive(KEEPALIVE_S, KEEPALIVE_TRIES) == 0:
            connection.registerCloseCallback(on_close, None)
        connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, on_event, None)
        self._callbacks = [on_close, on_event]  # the library does not keep them alive

    def _forget(self, connection: libvirt.virConnect) -> None:
        with self._lock:
            if self._open is None or self._open.connection is not connection:
                return
            session, self._open = self._open, None
            if session.users == 0:
                self._pool.submit(_close, connection)

    def _abandon(self, pool: concurrent.futures.ThreadPoolExecutor) -> None:
        """Leave a pool with a call that hangs, and its connection; what waits in it is tried again elsewhere."""
        with self._lock:
            if self._pool is not pool:
                return
            self._pool, self._open = _pool(), None
        self._opening = threading.Lock()
        self._trouble.say("A call to libvirt did not return; it is left behind.")
        pool.shutdown(wait=False, cancel_futures=True)


def _pool() -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(THREADS, thread_name_prefix="libvirt")


def is_alive(connection: libvirt.virConnect) -> bool:
    """Whether libvirt is at the other end still."""
    try:
        return bool(connection.isAlive())
    except libvirt.libvirtError:
        return False


def _close(connection: libvirt.virConnect) -> None:
    try:
        connection.close()
    except libvirt.libvirtError:
        LOG.debug("libvirt's connection had been closed.")
