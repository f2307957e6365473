"""The open consoles of a proxy: bytes carried both ways, and an end when the right to one is gone."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from typing import Protocol

from websockets.exceptions import ConnectionClosed
from websockets.sync.connection import Connection

from nova_lite import errors
from nova_lite.console.host import connect
from nova_lite.model.console import ConsoleGrant
from nova_lite.rpc.console import RedeemedConsole
from nova_lite.runtime.streams import CHUNK, carry, close, served_by, shut

LOG = logging.getLogger(__name__)
REVIEW_S = 15.0
MOST = 400


class Authority(Protocol):
    """Who knows what tokens are for (rpc/console.py)."""

    def redeem(self, token_hash: str) -> RedeemedConsole:
        """Use a token up. Raises: NovaLiteError."""

    def review(self, grants: tuple[ConsoleGrant, ...]) -> tuple[bool, ...]:
        """Tell of each grant whether it still holds. Raises: Unavailable."""


class Session:
    """One open console. The guest's side is a plain socket: a thread carries it to the host by TLS."""

    def __init__(self, grant: ConsoleGrant, guest: socket.socket) -> None:
        """`guest` ends when the guest, its host or the host's relay does."""
        self.grant = grant
        self._guest = guest
        self._browser: socket.socket | None = None
        self._cut = False

    def run(self, websocket: Connection) -> None:
        """Carry until either side ends, or `cut`."""
        self._browser = websocket.socket
        if self._cut:
            return
        back = threading.Thread(target=self._to_browser, args=(websocket,), name="console-back", daemon=True)
        back.start()
        with contextlib.suppress(OSError, ConnectionClosed):
            for message in websocket:
                self._guest.sendall(message.encode("utf-8") if isinstance(message, str) else message)
        shut(self._guest)
        back.join()

    def cut(self) -> None:
        """End it now, whatever the browser is doing. May be repeated."""
        self._cut = True
        if self._browser is not None:
            shut(self._browser)  # first: else the guest's end would be told to the browser, and its answer waited for
        shut(self._guest)

    def close(self) -> None:
        """Let go of the guest."""
        close(self._guest)

    def _to_browser(self, websocket: Connection) -> None:
        with contextlib.suppress(OSError, ConnectionClosed):
            while data := self._guest.recv(CHUNK):
                websocket.send(data)
            websocket.close(1000, "the console ended")


class Sessions:
    """All of them."""

    def __init__(self, authority: Authority, *, most: int = MOST, review_s: float = REVIEW_S) -> None:
        """At most `most` at once; each is looked at again every `review_s` seconds."""
        self._authority = authority
        self._most = most
        self._review_s = review_s
        self._lock = threading.Lock()
        self._open: set[Session] = set()
        self._stopping = threading.Event()
        self._reviews = threading.Thread(target=self._review_for_ever, name="reviews", daemon=True)

    def start(self) -> None:
        """Begin to look at what is open."""
        self._reviews.start()

    def stop(self) -> None:
        """Cut what is open. May be repeated."""
        self._stopping.set()
        with self._lock:
            ended = list(self._open)
        for session in ended:
            session.cut()

    def alive(self) -> bool:
        """Whether open consoles are looked at."""
        return self._reviews.is_alive()

    def open(self, token_hash: str) -> Session:
        """Use a token up and connect to what it is for.

        Raises: Unauthorized, NotFound, Conflict; Unavailable when too many are open, or something does not answer.
        """
        with self._lock:
            if len(self._open) >= self._most:
                raise errors.Unavailable("Too many consoles are open here; try again later.")
        redeemed = self._authority.redeem(token_hash)
        link = connect(redeemed.place)
        return Session(redeemed.grant, served_by(lambda far: carry(link, far), "console-link"))

    def run(self, session: Session, websocket: Connection) -> None:
        """Carry an open console until it ends."""
        about = {"action": "console", "server_id": session.grant.server_id, "type": session.grant.type}
        LOG.info("A console is open.", extra={**about, "user_id": session.grant.holder.user_id})
        began = time.monotonic()
        with self._lock:
            self._open.add(session)
        try:
            session.run(websocket)
        finally:
            with self._lock:
                self._open.discard(session)
            session.close()
            LOG.info("A console ended.", extra={**about, "seconds": round(time.monotonic() - began)})

    def review(self) -> None:
        """Cut those whose right is gone. Raises: Unavailable; then nothing is cut."""
        with self._lock:
            sessions = list(self._open)
        if not sessions:
            return
        for session, holds in zip(sessions, self._authority.review(tuple(one.grant for one in sessions)), strict=True):
            if not holds:
                LOG.info("A console is cut: the right to it is gone.", extra={"server_id": session.grant.server_id})
                session.cut()

    def _review_for_ever(self) -> None:
        while not self._stopping.wait(self._review_s):
            try:
                self.review()
            except errors.NovaLiteError as error:
                LOG.warning("Open consoles could not be looked at: %s", error.message)
