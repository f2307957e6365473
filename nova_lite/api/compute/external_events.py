"""What other services tell of servers: each event is looked at by itself, and answered by itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api import patience
from nova_lite.api.route import Answer, Request
from nova_lite.db.servers import ServerFilter, ServerPage
from nova_lite.model.ids import PortId
from nova_lite.model.server import Server
from nova_lite.servers import records
from nova_lite.workflows import interfaces

LOG = logging.getLogger(__name__)
ALL_DONE, SOME_DONE = 200, 207
NEEDS_TAG = ("volume-extended", "volume-reimaged", "accelerator-request-bound", "power-update")


def create_events(request: Request) -> Answer:
    """Take events. A port that another service has deleted leaves its guest; of the others guests need none here.

    Each is noted in the log. Raises: NotFound when no event is of a server of ours.
    """
    asked = request.body["events"]
    with request.parts.database.read() as tx:
        known = {server.id: server for server in records.list_page(tx, _named(asked), ServerPage())}
    answers = [_answer(event, known.get(event["server_uuid"].lower())) for event in asked]
    if all(answer["code"] != ALL_DONE for answer in answers):
        raise errors.NotFound("No instances found for any event")
    until = patience.patient_until(request)  # all together: there may be a thousand
    for answer in answers:
        if answer["code"] == ALL_DONE:
            if answer["name"] == "network-vif-deleted" and answer.get("tag"):
                answer.update(_unplug(request, known[answer["server_uuid"].lower()], answer["tag"], until))
            LOG.info("An event of another service.", extra={"action": answer["name"], "server_id": answer["server_uuid"]})
    everything = all(answer["code"] == ALL_DONE for answer in answers)
    return Answer(status=ALL_DONE if everything else SOME_DONE, body={"events": answers})


def _named(events: list[Mapping[str, Any]]) -> ServerFilter:
    return ServerFilter(ids=tuple({event["server_uuid"].lower() for event in events}))


def _answer(event: Mapping[str, Any], server: Server | None) -> dict[str, Any]:
    told = {"status": "completed", **event}
    if event["name"] in NEEDS_TAG and not event.get("tag"):
        return told | {"status": "failed", "code": errors.BadRequest.status}
    if server is None:
        return told | {"status": "failed", "code": errors.NotFound.status}
    if server.host is None:
        return told | {"status": "failed", "code": errors.Unprocessable.status}
    return told | {"code": ALL_DONE}


def _unplug(request: Request, server: Server, port_id: str, until: float) -> dict[str, Any]:
    """Have an interface leave its guest; one that is not there has left it. Give what the answer then says."""
    parts = request.parts

    def accept() -> None:
        if any(port.id == port_id for port in parts.network.ports_of(server.id)):
            interfaces.accept_detach(parts.desk, request.context, server.id, PortId(port_id))

    try:
        patience.in_turn(request, server.id, accept, until=until)
    except errors.NovaLiteError as error:  # the other events stand
        LOG.warning(
            "An interface stays with its guest, though its port is said to be gone: %s", error.message,
            extra={"action": "network-vif-deleted", "server_id": server.id},
        )  # fmt: skip
        return {"status": "failed", "code": errors.Unprocessable.status}
    return {}
