"""Notifications as OpenStack's services send them: on the exchange `keystone`, to the topic `notifications`, form 2.0.

Whoever has something to tell never waits: a bounded number of events waits for one thread, which goes on trying while the
broker is away. What comes on top of them is lost, and counted.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from nova_lite import errors, metrics
from nova_lite.rpc.transport import library_url, limit_library_logs, oslo_messaging

EXCHANGE, TOPIC = "keystone", "notifications"
KEPT = 1024
FOR_EVER = -1


class Notifications:
    """Sends to one broker; the thread starts with the first event, so a process may fork after this is made."""

    def __init__(self, url: str, *, ca_file: str | None = None) -> None:
        """Nothing connects yet. Raises: ConfigError when the URL is none."""
        try:
            self._url = oslo_messaging.TransportURL.parse(cfg.CONF, library_url(url, connections=1, ca_file=ca_file))
        except (oslo_messaging.InvalidTransportURL, ValueError) as error:
            raise errors.ConfigError("[broker] url is not usable.") from error
        self._events: queue.Queue[tuple[str, Mapping[str, Any]]] = queue.Queue(KEPT)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def send(self, event_type: str, payload: Mapping[str, Any]) -> None:
        """Have an event sent. Never waits and never fails."""
        self._ensure_thread()
        try:
            self._events.put_nowait((event_type, payload))
        except queue.Full:
            metrics.NOTIFICATIONS_LOST.inc()

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="notifications", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        limit_library_logs()
        oslo_messaging.set_transport_defaults(EXCHANGE)  # all else here names its exchange
        notifier = oslo_messaging.Notifier(
            oslo_messaging.get_notification_transport(cfg.CONF, url=self._url),
            publisher_id=f"identity.{socket.gethostname()}",
            driver="messagingv2",
            topics=[TOPIC],
            retry=FOR_EVER,
        )
        while True:
            event_type, payload = self._events.get()
            notifier.info({}, event_type, dict(payload))
            metrics.NOTIFICATIONS_SENT.inc()
