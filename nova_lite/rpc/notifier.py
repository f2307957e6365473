"""Notifications to other services, by oslo.messaging: to the exchange and topic where the original service sends its own.

oslo.messaging's own Notifier logs a message that it could not send and forgets it. Here the one who sends must know, so
that the outbox keeps it: the transport's sending method, which Notifier's drivers use, raises, and waits for the broker's
confirmation. The first sending makes the queue, so that nothing is lost before somebody listens.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from nova_lite import errors
from nova_lite.rpc.diagnosis import what_is_wrong
from nova_lite.rpc.sender import Sender
from nova_lite.rpc.transport import BROKER_ERRORS, library_url, limit_library_logs, oslo_messaging

# What event types begin with -> exchange and topic; what is told of images has many beginnings.
OF_SERVERS, SERVERS = "instance.", ("nova", "versioned_notifications")
IMAGES = ("glance", "notifications")
SEND_S = 5.0


class RabbitNotifier:
    """Publishes one notification after another."""

    def __init__(self, url: str, *, ca_file: str | None = None) -> None:
        """Nothing connects before the first one. Raises: ConfigError when the URL is none."""
        limit_library_logs()
        try:
            parsed = oslo_messaging.TransportURL.parse(cfg.CONF, library_url(url, connections=1, ca_file=ca_file))
            self._library = oslo_messaging.get_notification_transport(cfg.CONF, url=parsed)
        except (oslo_messaging.InvalidTransportURL, ValueError) as error:
            raise errors.ConfigError("[broker] url is not usable.") from error
        self._place = ", ".join(f"{host.hostname}:{host.port or 5672}" for host in parsed.hosts)
        self._sender = Sender(1)

    def publish(self, row: Mapping[str, Any]) -> None:
        """Send a row of the outbox; returns when the broker has it. Raises: Unavailable; it may have arrived none the less."""
        created = datetime.datetime.fromtimestamp(row["created_at"], datetime.UTC)
        message = {
            "message_id": row["message_id"],
            "publisher_id": row["publisher_id"],
            "event_type": row["event_type"],
            "priority": row["priority"],
            "payload": row["payload"],
            "timestamp": created.strftime("%Y-%m-%d %H:%M:%S.%f"),
        }
        self._sender.run(lambda: self._send(message), SEND_S)

    def close(self) -> None:
        """Close the connection; what hangs is left behind."""
        if self._sender.close(SEND_S):
            self._library.cleanup()

    def _send(self, message: dict[str, Any]) -> None:
        exchange, topic = place_of(message["event_type"])
        target = oslo_messaging.Target(exchange=exchange, topic=f"{topic}.{message['priority'].lower()}")
        try:
            self._library._send_notification(target, {}, message, version=2.0, retry=1)
        except BROKER_ERRORS as error:
            raise errors.Unavailable(what_is_wrong(error, self._place)) from error


def place_of(event_type: str) -> tuple[str, str]:
    """Give the exchange and the topic where listeners wait for events of a type."""
    return SERVERS if event_type.startswith(OF_SERVERS) else IMAGES
