"""What other services tell of servers: each event is looked at by itself, and answered by itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api.route import Answer, Request
from nova_lite.db.servers import ServerFilter, ServerPage
from nova_lite.model.server import Server
from nova_lite.servers import records

LOG = logging.getLogger(__name__)
ALL_DONE, SOME_DONE = 200, 207
NEEDS_TAG = ("volume-extended", "volume-reimaged", "accelerator-request-bound", "power-update")


def create_events(request: Request) -> Answer:
    """Take events. Guests need none of them here, so taking one is all that is done; it goes to the log.

    Raises: NotFound when no event is of a server of ours.
    """
    asked = request.body["events"]
    with request.parts.database.read() as tx:
        known = {server.id: server for server in records.list_page(tx, _named(asked), ServerPage())}
    answers = [_answer(event, known.get(event["server_uuid"].lower())) for event in asked]
    if all(answer["code"] != ALL_DONE for answer in answers):
        raise errors.NotFound("No instances found for any event")
    for answer in answers:
        if answer["code"] == ALL_DONE:
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
