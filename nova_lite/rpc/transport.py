"""Messages over RabbitMQ by oslo.messaging, on native threads, with quorum queues.

Facts of the library that shape this file: a cast retries for ever and a publish to a blocked broker hangs (sender.py);
a receiver's start and stop may hang as long as the broker is away (listener.py); RPC messages are acknowledged before
their handler runs; its own calls need rights that hosts must not have (replies.py); options may come in the URL, so
that two transports of one process can differ.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

import amqp.exceptions
import kombu.exceptions
from oslo_config import cfg
from oslo_service import backend

from nova_lite import errors, metrics
from nova_lite.rpc.consumers import cancel_consumers
from nova_lite.rpc.delivery import Delivery, Served
from nova_lite.rpc.diagnosis import what_is_wrong
from nova_lite.rpc.letter import Letter, pack, routing_key
from nova_lite.rpc.listener import Doors, RabbitListener
from nova_lite.rpc.port import ENVELOPE, Address, Envelope, Handler, Listener
from nova_lite.rpc.replies import METHOD, Replies, new_address
from nova_lite.rpc.sender import Sender
from nova_lite.rpc.signing import Proof, Signing, Unsigned
from nova_lite.rpc.trouble import Limited, Trouble

# Before oslo_messaging, which would choose eventlet. Nothing of ours runs on eventlet; that the libraries find none
# spares each daemon 10 MB and a tenth of a second, and makes sure that no hub is ever started.
sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]
backend.init_backend(backend.BackendType.THREADING)

import oslo_messaging as oslo_messaging  # noqa: E402, PLC0414  # others take it from here, never before this is done

LOG = logging.getLogger(__name__)
EXCHANGE = "amq.topic"  # exists in every vhost, is durable, and no host can delete it
CAST_S = 5.0
SERVE_S = 5.0
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
BROKER_ERRORS = (
    oslo_messaging.MessagingException,
    amqp.exceptions.AMQPError,
    kombu.exceptions.KombuError,
    OSError,
)
SETTINGS = {
    "rabbit_quorum_queue": "true",
    "rabbit_transient_queues_ttl": "60",
    "heartbeat_timeout_threshold": "15",
    "heartbeat_rate": "2",
    "kombu_reconnect_delay": "0.2",
    "rabbit_retry_interval": "1",
    "rabbit_retry_backoff": "1",
    "rabbit_interval_max": "3",
    "kombu_missing_consumer_retry_timeout": "5",
}
NOISY = (
    "oslo.messaging._drivers.impl_rabbit",  # as oslo.log names it
    "oslo.messaging._drivers.pool",
    "oslo_messaging._drivers.amqpdriver",
    "oslo_messaging._drivers.common",
    "oslo_messaging.rpc.server",
    "oslo_messaging.server",
    "oslo_utils.excutils",
    "kombu",
)
TROUBLE = Trouble(LOG)


def limit_library_logs() -> None:
    """Hold the libraries' loggers to one line in 30 seconds, shared with ours. May be repeated."""
    logging.getLogger("amqp").setLevel(logging.ERROR)  # its warnings tell of frames that cross at every close
    for name in NOISY:
        logger = logging.getLogger(name)
        if not any(isinstance(present, Limited) for present in logger.filters):
            logger.addFilter(Limited(TROUBLE))


def library_url(url: str, *, connections: int, ca_file: str | None = None) -> str:
    """Make oslo.messaging's URL of an AMQP one: `amqp[s]://user:password@host:port[,host...]/vhost`.

    Raises: ConfigError when it is none; the URL is not shown, it has a password.
    """
    scheme, separator, rest = url.partition("://")
    if scheme not in ("amqp", "amqps", "rabbit") or not separator or "?" in rest:
        raise errors.ConfigError("[broker] url has to look like amqp://user:password@host:5672/vhost.")
    settings = {**SETTINGS, "rpc_conn_pool_size": str(connections), "conn_pool_min_size": str(connections)}
    if scheme == "amqps":
        settings |= {"ssl": "true", "ssl_ca_file": ca_file or CA_BUNDLE}
    return f"rabbit://{rest}?{urllib.parse.urlencode(settings)}"


class RabbitTransport:
    """One party on RabbitMQ: a pool of sending connections, and one connection for each listener."""

    def __init__(self, url: str, *, signing: Signing | None = None, connections: int = 2, ca_file: str | None = None) -> None:
        """`connections` is how many messages may be sent at once: 1 on hosts. Nothing connects before the first use.

        Raises: ConfigError when the URL is none.
        """
        limit_library_logs()
        try:
            parsed = oslo_messaging.TransportURL.parse(cfg.CONF, library_url(url, connections=connections, ca_file=ca_file))
            self._library = oslo_messaging.get_rpc_transport(cfg.CONF, url=parsed)
        except (oslo_messaging.InvalidTransportURL, ValueError) as error:
            raise errors.ConfigError("[broker] url is not usable.") from error
        self._place = ", ".join(f"{host.hostname}:{host.port or 5672}" for host in parsed.hosts)
        self._signing = signing or Unsigned()
        self._sender = Sender(connections)
        self._replies = Replies()
        self._reply_listener: Listener | None = None
        self._reply_key = ""
        self._lock = threading.Lock()
        self._listeners: list[RabbitListener] = []

    def cast(self, address: Address, method: str, body: Mapping[str, Any], envelope: Envelope | None = None) -> None:
        """Send and forget. Raises: Unavailable when the broker does not take it within 5 seconds; TooLarge."""
        self._send(Letter(to=routing_key(address), method=method, body=body, envelope=_envelope(envelope)), CAST_S)

    def call(
        self, address: Address, method: str, body: Mapping[str, Any], *, timeout_s: float, envelope: Envelope | None = None
    ) -> Any:
        """Send and wait for the answer. Raises: Unavailable when none came in time; the error that the handler raised."""
        until = time.monotonic() + timeout_s
        reply_to = self._await_replies(timeout_s)
        call_id = self._replies.expect()
        letter = Letter(
            to=routing_key(address),
            method=method,
            body=body,
            envelope=_envelope(envelope),
            call_id=call_id,
            reply_to=reply_to,
        )
        try:
            self._send(letter, min(CAST_S, until - time.monotonic()))
            return self._replies.wait(call_id, until - time.monotonic())
        finally:
            self._replies.forget(call_id)

    def serve(self, address: Address, handlers: Mapping[str, Handler], *, threads: int = 4) -> Listener:
        """Hand each message for the topic and for the server to its handler. Needs a server name.

        Returns after 5 seconds at most, also while the broker is away: the listener goes on trying.
        """
        listener = self._listen(address, handlers, threads)
        listener.wait_ready(SERVE_S)
        return listener

    def close(self) -> None:
        """Close all connections. What hangs on a broker that is away is left behind after some seconds."""
        with self._lock:
            listeners, self._listeners = self._listeners, []
        stops = [threading.Thread(target=listener.stop, name="listener-stop", daemon=True) for listener in listeners]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()
        if self._sender.close(CAST_S):
            self._library.cleanup()

    def _listen(self, address: Address, handlers: Mapping[str, Handler], threads: int) -> RabbitListener:
        served = Served(
            keys=frozenset({address.topic, routing_key(address)}),
            handlers=handlers,
            signing=self._signing,
            answer=self._answer,
        )
        endpoint = _Endpoint(Delivery(served))
        target = oslo_messaging.Target(exchange=EXCHANGE, topic=address.topic, server=address.server)
        doors = Doors(
            make_server=lambda: oslo_messaging.get_rpc_server(self._library, target, [endpoint]),
            hush=cancel_consumers,
            nudge=lambda: self._nudge(routing_key(address)),
            explain=lambda error: what_is_wrong(error, self._place),
        )
        listener = RabbitListener(doors, threads=threads, trouble=TROUBLE)
        with self._lock:
            self._listeners.append(listener)
        listener.start()
        return listener

    def _await_replies(self, timeout_s: float) -> str:
        """Open this process's queue for answers, once; give its routing key. Raises: Unavailable."""
        with self._lock:
            if self._reply_listener is not None and self._reply_listener.wait_ready(0):
                return self._reply_key
            missing = self._reply_listener is None
        if missing:
            self._open_replies()
        if self._reply_listener is None or not self._reply_listener.wait_ready(timeout_s):
            raise errors.Unavailable("RabbitMQ does not answer at the moment.")
        return self._reply_key

    def _open_replies(self) -> None:
        mine = new_address()
        listener = self._listen(mine, {METHOD: self._replies.settle}, 1)
        with self._lock:
            if self._reply_listener is None:
                self._reply_listener, self._reply_key = listener, routing_key(mine)
                return
            self._listeners.remove(listener)
        listener.stop()

    def _answer(self, letter: Letter, body: Mapping[str, Any]) -> None:
        if letter.reply_to is not None:
            self._send(Letter(to=letter.reply_to, method=METHOD, body=body), CAST_S)

    def _send(self, letter: Letter, timeout_s: float) -> None:
        packed = pack(letter)
        proof = self._signing.sign(letter.to, packed)
        arguments = {"payload": packed.decode("utf-8"), "proof": [proof.by, proof.value] if proof else None}
        try:
            self._sender.run(lambda: self._publish(letter.to, arguments), timeout_s)
        except errors.Unavailable as error:
            metrics.MESSAGES_NOT_SENT.inc()
            TROUBLE.say(error.message)
            raise
        metrics.MESSAGES_SENT.labels(letter.method).inc()
        TROUBLE.over("RabbitMQ takes messages again.")

    def _nudge(self, key: str) -> None:
        with contextlib.suppress(errors.Unavailable):
            self._sender.run(lambda: self._publish(key, {"payload": ""}), 1.0)

    def _publish(self, key: str, arguments: Mapping[str, Any]) -> None:
        """Publish once; once more when the connection turns out to be an old one that the broker has left."""
        target = oslo_messaging.Target(exchange=EXCHANGE, topic=key)
        client = oslo_messaging.get_rpc_client(self._library, target, retry=0)
        try:
            client.cast({}, "deliver", **arguments)
        except BROKER_ERRORS:
            try:
                client.cast({}, "deliver", **arguments)
            except BROKER_ERRORS as error:
                raise errors.Unavailable(what_is_wrong(error, self._place)) from error


class _Endpoint:
    """The one method that oslo.messaging sees; which handler it is for stands inside the letter, where it is signed."""

    target = None

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def deliver(self, _context: Mapping[str, Any], payload: str, proof: list[str] | None = None) -> None:
        """Take a message; never raises. An empty one is our own nudge (listener.py)."""
        if payload:
            self._delivery.deliver(payload.encode("utf-8"), Proof(by=proof[0], value=proof[1]) if proof else None)


def _envelope(envelope: Envelope | None) -> Envelope:
    return envelope or ENVELOPE.get() or Envelope()
