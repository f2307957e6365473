"""The audit log: who did what that matters for security, a line of JSON each, in the shape of CADF events.

A line is one write to a file opened for appending, so that all api processes share it and a rotation by renaming is seen at
once. What is written never holds a secret: events are made of ids, names and addresses only.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import os
import socket
import uuid
from pathlib import Path
from typing import Any, Protocol

import orjson

from nova_lite.rpc.files import give_to_owner_of

LOG = logging.getLogger(__name__)
FILE = "audit.log"
TYPE = "http://schemas.dmtf.org/cloud/audit/1.0/event"
SUCCESS, FAILURE = "success", "failure"
LONGEST = 255  # of a text that a client chose


@dataclasses.dataclass(frozen=True, kw_only=True)
class Initiator:
    """Who acted. Without an id it is somebody who named a user and did not show to be it, or an operator on the machine."""

    id: str | None = None
    name: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    address: str | None = None
    request_id: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """What happened. `action` is `created.user`, `authenticate` and the like; `status` the HTTP status when it failed."""

    action: str
    outcome: str
    initiator: Initiator
    target_kind: str
    target_id: str | None = None
    status: int | None = None
    reason: str | None = None
    attached: dict[str, str] = dataclasses.field(default_factory=dict)


class Audit(Protocol):
    """Where events go."""

    def write(self, event: Event) -> None:
        """Keep an event. Never raises: what is asked for does not fail for it."""


class Unheard:
    """An audit that keeps nothing, for tests and where there is no log."""

    def write(self, event: Event) -> None:
        """Forget it."""


class AuditLog:
    """The file."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened before the first event; the folder is made when it is missing."""
        self._path = path

    def write(self, event: Event) -> None:
        """Append an event. What cannot be written is told in the daemon's log, as a whole."""
        line = orjson.dumps(document(event)) + b"\n"
        try:
            self._append(line)
        except FileNotFoundError:
            self._append_in_new_folder(line)
        except OSError as error:
            self._give_up(line, error)

    def _append_in_new_folder(self, line: bytes) -> None:
        try:
            self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._append(line)
        except OSError as error:
            self._give_up(line, error)

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size == 0:
                give_to_owner_of(self._path.parent, descriptor)
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def _give_up(self, line: bytes, error: OSError) -> None:
        text = line.decode().rstrip()
        LOG.error("The audit log %s cannot be written (%s): %s", self._path, error.strerror, text, extra={"action": "audit"})


def document(event: Event) -> dict[str, Any]:
    """Write an event as CADF has it."""
    said: dict[str, Any] = {
        "typeURI": TYPE,
        "eventType": "activity",
        "id": str(uuid.uuid4()),
        "eventTime": datetime.datetime.now(datetime.UTC).isoformat(),
        "action": event.action,
        "outcome": event.outcome,
        "initiator": _initiator(event.initiator),
        "target": {"typeURI": f"data/security/{event.target_kind}", "id": _cut(event.target_id)},
        "observer": {"typeURI": "service/security", "id": socket.gethostname()},
    }
    if event.status is not None:
        said["reason"] = {"reasonType": "HTTP", "reasonCode": str(event.status), "policyType": event.reason}
    if event.attached:
        said["attachments"] = [
            {"name": name, "typeURI": "text/plain", "content": _cut(value)} for name, value in event.attached.items()
        ]
    return said


def _initiator(who: Initiator) -> dict[str, Any]:
    said = {
        "typeURI": "service/security/account/user",
        "id": who.id,
        "name": _cut(who.name),
        "project_id": who.project_id,
        "domain_id": _cut(who.domain_id),
        "request_id": who.request_id,
        "host": None if who.address is None else {"address": who.address},
    }
    return {name: value for name, value in said.items() if value is not None}


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:LONGEST]
