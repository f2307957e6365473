"""A machine that was booted anew: the guests of its active servers are started, each by an operation of its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from nova_lite import errors
from nova_lite.context import Context, new_request_id
from nova_lite.db import hosts as queries
from nova_lite.model.guest import GuestState, PowerState
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.server import ServerState
from nova_lite.servers import records
from nova_lite.workflows import power
from nova_lite.workflows.desk import Desk

LOG = logging.getLogger(__name__)
UP = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED)


def resume_guests(desk: Desk, host: HostName, guests: Sequence[GuestState]) -> int:
    """Begin to start what is off of a host's active servers; give their number. May be repeated: one start a server.

    An operation is begun before the first heartbeat is compared with the rows, so that none is shown as stopped meanwhile.
    """
    up = {guest.server_id for guest in guests if guest.power_state in UP}
    with desk.database.read() as tx:
        rows = queries.servers_on(tx, host)
    wanted = [ServerId(row["id"]) for row in rows if row["state"] == ServerState.ACTIVE and row["id"] not in up]
    begun = sum(_start(desk, server_id) for server_id in wanted)
    if begun:
        LOG.info("A host was booted; the guests that were running are started.", extra={"host": host, "count": begun})
    return begun


def _start(desk: Desk, server_id: ServerId) -> bool:
    with desk.database.read() as tx:
        server = records.get(tx, server_id, include_deleted=True)
    context = Context(request_id=new_request_id(), user_id=server.user_id, project_id=server.project_id, roles=frozenset())
    try:
        power.accept_start_again(desk, context, server_id)
    except (errors.Conflict, errors.NotFound):
        return False  # an earlier message of the host began it, or somebody does something else with the server
    return True
