"""Messages within one process, for tests: the same contract as RabbitMQ's, and mishaps on demand.

Messages are packed, signed, checked and unpacked exactly as on the wire.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.rpc.delivery import Delivery, Served
from nova_lite.rpc.letter import Letter, pack, routing_key, unpack
from nova_lite.rpc.port import ENVELOPE, Address, Envelope, Handler
from nova_lite.rpc.replies import METHOD, Replies, new_address
from nova_lite.rpc.signing import Proof, Signing, Unsigned


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of a message: how many copies arrive (0: lost), each as a message of its own, and when."""

    copies: int = 1
    delay_s: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parcel:
    """A message under way. `id` is the broker's: the same one twice is handled once."""

    key: str
    packed: bytes
    proof: Proof | None
    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def letter(self) -> Letter:
        """Give what is inside."""
        return unpack(self.packed)


class LocalBroker:
    """The queues that several `LocalTransport` share. A message for a queue that nobody ever served is lost."""

    def __init__(self) -> None:
        """Everything arrives once, at once."""
        self.fate: Callable[[Letter], Fate] = lambda letter: Fate()
        self.away = False
        self.sent: list[Letter] = []
        self._lock = threading.Condition()
        self._queues: dict[str, collections.deque[Parcel]] = {}
        self._held: list[Parcel] | None = None

    def hold(self) -> None:
        """Keep what is sent from now on."""
        with self._lock:
            self._held = self._held or []

    def release(self, order: Callable[[list[Letter]], list[int]] | None = None) -> None:
        """Let what was held arrive; `order` gives the indexes in the order wanted (left out: lost; twice: a copy)."""
        with self._lock:
            held, self._held = self._held or [], None
            indexes = order([parcel.letter for parcel in held]) if order else list(range(len(held)))
            for index in indexes:
                self.put(dataclasses.replace(held[index], id=uuid.uuid4().hex))

    def post(self, parcel: Parcel) -> None:
        """Take a message from a sender. Raises: Unavailable while `away`."""
        if self.away:
            raise errors.Unavailable("RabbitMQ does not answer at the moment.")
        letter = parcel.letter
        self.sent.append(letter)
        fate = self.fate(letter)
        for copy in range(fate.copies):
            one = dataclasses.replace(parcel, id=uuid.uuid4().hex) if copy else parcel
            if fate.delay_s > 0:
                timer = threading.Timer(fate.delay_s, self.put, (one,))
                timer.daemon = True
                timer.start()
            else:
                self._put_or_hold(one)

    def put(self, parcel: Parcel) -> None:
        """Put a message into its queue, past all mishaps."""
        with self._lock:
            if parcel.key in self._queues:
                self._queues[parcel.key].append(parcel)
                self._lock.notify_all()

    def _put_or_hold(self, parcel: Parcel) -> None:
        with self._lock:
            if self._held is not None:
                self._held.append(parcel)
                return
        self.put(parcel)

    def declare(self, keys: frozenset[str]) -> None:
        """Make queues; they stay."""
        with self._lock:
            for key in keys:
                self._queues.setdefault(key, collections.deque())

    def take(self, keys: frozenset[str], stopped: threading.Event) -> Parcel | None:
        """Wait for a message in one of the queues; None once `stopped`."""
        with self._lock:
            while not stopped.is_set():
                for key in keys:
                    if self._queues[key] and not self.away:
                        return self._queues[key].popleft()
                self._lock.wait(0.05 if self.away else 1.0)
            return None

    def wake(self) -> None:
        """Let waiting receivers look whether they are to stop."""
        with self._lock:
            self._lock.notify_all()


class LocalListener:
    """Receives on a thread of its own, handles on a bounded pool. `deaf` swallows messages until a restart."""

    def __init__(self, broker: LocalBroker, served: Served, threads: int) -> None:
        """Starts at once."""
        self.deaf = False
        self.restarts = 0
        self._broker = broker
        self._keys = served.keys
        self._delivery = Delivery(served)
        self._seen: collections.deque[str] = collections.deque(maxlen=1000)
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="handler")
        self._stopped = threading.Event()
        broker.declare(served.keys)
        self._thread = threading.Thread(target=self._receive, name="listener", daemon=True)
        self._thread.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Be ready."""
        return True

    def restart(self) -> None:
        """Hear again."""
        self.restarts += 1
        self.deaf = False

    def stop(self, timeout_s: float = 5.0) -> None:
        """Take no more, let the handlers in hand finish."""
        self._stopped.set()
        self._broker.wake()
        self._thread.join(timeout_s)
        self._pool.shutdown(wait=True)

    def _receive(self) -> None:
        while (parcel := self._broker.take(self._keys, self._stopped)) is not None:
            if self.deaf or parcel.id in self._seen:
                continue
            self._seen.append(parcel.id)
            self._pool.submit(self._delivery.deliver, parcel.packed, parcel.proof)


class LocalTransport:
    """One party on a local broker."""

    def __init__(self, broker: LocalBroker, signing: Signing | None = None) -> None:
        """`signing` as on the real transport; without one nothing is signed or checked."""
        self._broker = broker
        self._signing = signing or Unsigned()
        self._replies = Replies()
        self._reply_key: str | None = None
        self._lock = threading.Lock()
        self._listeners: list[LocalListener] = []

    def cast(self, address: Address, method: str, body: Mapping[str, Any], envelope: Envelope | None = None) -> None:
        """Send and forget. Raises: Unavailable while the broker is away."""
        self._post(Letter(to=routing_key(address), method=method, body=body, envelope=_envelope(envelope)))

    def call(
        self, address: Address, method: str, body: Mapping[str, Any], *, timeout_s: float, envelope: Envelope | None = None
    ) -> Any:
        """Send and wait for the answer. Raises: Unavailable; the error that the handler raised."""
        with self._lock:
            if self._reply_key is None:
                mine = new_address()
                self.serve(mine, {METHOD: self._replies.settle}, threads=1)
                self._reply_key = routing_key(mine)
        call_id = self._replies.expect()
        letter = Letter(
            to=routing_key(address),
            method=method,
            body=body,
            envelope=_envelope(envelope),
            call_id=call_id,
            reply_to=self._reply_key,
        )
        try:
            self._post(letter)
            return self._replies.wait(call_id, timeout_s)
        finally:
            self._replies.forget(call_id)

    def serve(self, address: Address, handlers: Mapping[str, Handler], *, threads: int = 4) -> LocalListener:
        """Hand each message for the topic and for the server to its handler."""
        keys = frozenset({address.topic, routing_key(address)})
        served = Served(keys=keys, handlers=handlers, signing=self._signing, answer=self._answer)
        listener = LocalListener(self._broker, served, threads)
        self._listeners.append(listener)
        return listener

    def close(self) -> None:
        """Stop all listeners."""
        for listener in self._listeners:
            listener.stop()

    def _answer(self, letter: Letter, body: Mapping[str, Any]) -> None:
        if letter.reply_to is not None:
            self._post(Letter(to=letter.reply_to, method=METHOD, body=body))

    def _post(self, letter: Letter) -> None:
        packed = pack(letter)
        self._broker.post(Parcel(key=letter.to, packed=packed, proof=self._signing.sign(letter.to, packed)))


def _envelope(envelope: Envelope | None) -> Envelope:
    return envelope or ENVELOPE.get() or Envelope()
