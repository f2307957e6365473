"""A daemon's own small web page on the loopback address: /healthz for probes, /metrics for Prometheus."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import prometheus_client

from nova_lite import errors

LOG = logging.getLogger(__name__)
ADDRESS = "127.0.0.1"
SLOW_CLIENT_S = 5.0


class HealthServer:
    """Serves both pages in a thread."""

    def __init__(self, port: int, alive: Callable[[], bool]) -> None:
        """`alive` must answer at once.

        Raises: ConfigError when the port is taken.
        """
        try:
            self._server = _Server((ADDRESS, port), _handler(alive))
        except OSError as error:
            raise errors.ConfigError(f"[DEFAULT] health_port: port {port} of {ADDRESS}: {error.strerror}.") from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 8


def _handler(alive: Callable[[], bool]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """The two pages."""

        timeout = SLOW_CLIENT_S
        server_version = "nova-lite"
        sys_version = ""

        def do_GET(self) -> None:
            """Answer a request."""
            if self.path == "/healthz":
                well = alive()
                body = json.dumps({"status": "ok" if well else "not alive"}).encode("utf-8")
                self._send(200 if well else 503, "application/json", body)
            elif self.path == "/metrics":
                self._send(200, prometheus_client.CONTENT_TYPE_LATEST, prometheus_client.generate_latest())
            else:
                self._send(404, "application/json", b'{"status": "there are /healthz and /metrics"}')

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Log probes in detail only."""
            LOG.debug("A probe came.", extra={"action": self.path})

    return Handler
