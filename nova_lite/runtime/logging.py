"""One event a line: time, level, daemon[pid], a sentence, then what it is about as name=value."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import warnings
from typing import IO

from nova_lite.rpc.port import ENVELOPE

OWN_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "global_request_id"}
FIRST = ("action", "request_id", "operation_id", "server_id", "step", "host")
CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
QUIET = (
    "oslo_messaging",
    "oslo_service",
    "oslo_policy",
    "oslo_config",
    "amqp",
    "kombu",
    "stevedore",
    "urllib3",
    "keystoneauth",
)
PLAIN = re.compile(r"^[^\s\"=]+$")


class OneLine(logging.Formatter):
    """Makes a line of a record. Fields come from `extra`, and from the message that is being handled."""

    def __init__(self, name: str) -> None:
        """`name` is the daemon's."""
        super().__init__()
        self._name = name

    def format(self, record: logging.LogRecord) -> str:
        """Give `2026-01-01T00:00:00.123Z INFO conductor[123] sentence action=... request_id=...`."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        head = f"{stamp}.{int(record.msecs):03d}Z {record.levelname} {self._name}[{os.getpid()}] {record.getMessage()}"
        parts = [head, *(f"{name}={_quoted(value)}" for name, value in _fields(record).items())]
        if record.exc_info and record.exc_info[0] is not None:
            parts.append(f"error={_quoted(self.formatException(record.exc_info))}")
        line = " ".join(parts).replace("\n", "\\n").replace("\r", "\\r")
        return CREDENTIALS.sub("***@", line)


def set_up(name: str, *, debug: bool = False, stream: IO[str] | None = None) -> None:
    """Send all log lines to `stream` (standard error: the journal's or the supervisor's). May be repeated."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(OneLine(name))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for library in QUIET:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    warnings.simplefilter("ignore")


def _fields(record: logging.LogRecord) -> dict[str, object]:
    given = {name: value for name, value in record.__dict__.items() if name not in OWN_FIELDS and value is not None}
    envelope = ENVELOPE.get()
    if envelope is not None:
        for name in ("request_id", "operation_id"):
            value = getattr(envelope, name)
            if value is not None:
                given.setdefault(name, value)
    return {name: given[name] for name in sorted(given, key=lambda name: (_rank(name), name))}


def _rank(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)


def _quoted(value: object) -> str:
    text = str(value)
    if PLAIN.match(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
