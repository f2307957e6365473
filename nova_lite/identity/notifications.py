"""Tells other programs what happened to users, projects and roles, by the names that Keystone's notifications have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nova_lite.identity.audit import SUCCESS, Audit, Event, document

AUTHENTICATE = "authenticate"
Send = Callable[[str, Mapping[str, Any]], None]


class Notified:
    """An audit that is kept by another one, and told to whoever listens: logins, failed ones too, and changes that were made.

    Refused changes are not told: whoever acts on `identity.user.created` need not look whether it is true.
    """

    def __init__(self, kept: Audit, send: Send) -> None:
        """`send` takes a type of events and their content, and neither waits nor fails."""
        self._kept = kept
        self._send = send

    def write(self, event: Event) -> None:
        """Keep an event, and tell it."""
        self._kept.write(event)
        if event.action == AUTHENTICATE or event.outcome == SUCCESS:
            self._send(event_type(event), document(event) | {"resource_info": event.target_id})


def event_type(event: Event) -> str:
    """Name an event as Keystone does: `identity.authenticate`, `identity.user.created`."""
    if event.action == AUTHENTICATE:
        return f"identity.{AUTHENTICATE}"
    return f"identity.{event.target_kind}.{event.action.partition('.')[0]}"
