"""/healthz and /metrics on the port of the APIs, for callers on this machine only."""

from __future__ import annotations

import falcon
import prometheus_client

from nova_lite import errors
from nova_lite.api.dispatch import write
from nova_lite.api.parts import Parts
from nova_lite.api.route import Answer
from nova_lite.image import usage

KEPT = "nova_lite_image_bytes_kept"
LOOPBACK = ("127.0.0.1", "::1")


class Health:
    """Whether this process can serve: it runs, and the database answers."""

    def __init__(self, parts: Parts) -> None:
        """`parts` has the database."""
        self._parts = parts

    def on_get(self, raw: falcon.Request, response: falcon.Response) -> None:
        """Answer 200 or 503."""
        _refuse_others(raw)
        with self._parts.database.read() as tx:
            tx.connection.exec_driver_sql("SELECT 1")
        write(response, Answer(body={"status": "ok"}))


class Metrics:
    """The counters of this process for Prometheus, and what image stores have, where images are served."""

    def __init__(self, parts: Parts) -> None:
        """`parts` has the database, and the stores."""
        self._parts = parts

    def on_get(self, raw: falcon.Request, response: falcon.Response) -> None:
        """Answer in Prometheus' text form. The stores' part is left out while the database does not answer."""
        _refuse_others(raw)
        body = prometheus_client.generate_latest()
        if self._parts.images is not None:
            body += self._kept()
        write(response, Answer(body=body, content_type=prometheus_client.CONTENT_TYPE_LATEST))

    def _kept(self) -> bytes:
        names = self._parts.images.store.writable()
        try:
            with self._parts.database.read() as tx:
                kept = usage.by_store(tx, names)
        except errors.Unavailable:
            return b""
        registry = prometheus_client.CollectorRegistry()
        gauge = prometheus_client.Gauge(KEPT, "Bytes of images in each store; every copy counts.", ["store"], registry=registry)
        for name, size_bytes in kept.items():
            gauge.labels(store=name).set(size_bytes)
        return bytes(prometheus_client.generate_latest(registry))


def _refuse_others(raw: falcon.Request) -> None:
    """Hide from other machines, and from what a proxy on this one passes on. Raises: NotFound."""
    if raw.remote_addr not in LOOPBACK or raw.get_header("X-Forwarded-For"):
        raise errors.NotFound
