"""Passwords that guests write to the metadata service: kept in the outbox until a conductor has them."""

from __future__ import annotations

import uuid

from nova_lite.compute.ledger import Kind, Ledger, Notice
from nova_lite.compute.reports import Outbox
from nova_lite.model.ids import HostName, ServerId
from nova_lite.rpc.conductor import GuestPassword


class PasswordDesk:
    """Takes what a guest wrote. The newest of a server replaces an older one that is still on its way."""

    def __init__(self, host: HostName, ledger: Ledger, outbox: Outbox) -> None:
        """Any thread may hand one in."""
        self._host = host
        self._ledger = ledger
        self._outbox = outbox

    def take(self, server_id: ServerId, password: str) -> None:
        """Store it, and send it. It is encrypted by the user's key, and no secret of the host's."""
        message = GuestPassword(report_id=str(uuid.uuid4()), host=self._host, server_id=server_id, password=password)
        notice = Notice(id=message.report_id, kind=Kind.FROM_GUEST, server_id=server_id, message=message)
        self._ledger.add_notice(notice)
        self._outbox.send(notice)
