"""What was done to a server, and how it went: its operations and the events of their steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from nova_lite import errors
from nova_lite.api import pages
from nova_lite.api.compute import times
from nova_lite.api.compute.lookup import server_of
from nova_lite.api.compute.views.servers import host_id
from nova_lite.api.microversion import ByVersion
from nova_lite.api.pages import Page
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.durable import journal
from nova_lite.durable.journal import OperationRow, StepEvent
from nova_lite.model.server import Server
from nova_lite.workflows.desk import SERVER

View = dict[str, Any]
NAMES = {  # what the API calls a workflow by another name
    "boot": "create",
    "reboot_hard": "reboot",
    "change_password": "changePassword",
    "soft_delete": "delete",
    "add_fixed_ip": "addFixedIp",
    "remove_fixed_ip": "removeFixedIp",
    "inject_network_info": "injectNetworkInfo",
    "snapshot": "createImage",
    "backup": "createBackup",
    "shelve_offload": "shelveOffload",
    "unshelve_in_place": "unshelve",
}
EVENTS = "os_compute_api:os-instance-actions:events"
DETAILS = "os_compute_api:os-instance-actions:events:details"
OF_DELETED = ByVersion({"2.1": False, "2.21": True})
PAGED = ByVersion({"2.1": False, "2.58": True})
EVENTS_FOR_ALL = ByVersion({"2.1": False, "2.51": True})


def _plain(server: Server, operation: OperationRow, events: Sequence[StepEvent]) -> View:
    return {
        "action": NAMES.get(operation.workflow, operation.workflow),
        "instance_uuid": server.id,
        "request_id": operation.request_id,
        "user_id": operation.user_id,
        "project_id": operation.project_id,
        "start_time": times.micro(operation.started_at),
        "message": "Error" if operation.outcome == "failed" else None,
    }


def _with_update(server: Server, operation: OperationRow, events: Sequence[StepEvent]) -> View:
    return _plain(server, operation, events) | {"updated_at": times.micro(_updated_at(operation, events))}


def _updated_at(operation: OperationRow, events: Sequence[StepEvent] = ()) -> float:
    return max(operation.started_at, operation.ended_at or 0.0, *(event.ended_at or 0.0 for event in events))


ACTION: ByVersion[Callable[[Server, OperationRow, Sequence[StepEvent]], View]] = ByVersion(
    {"2.1": _plain, "2.58": _with_update}
)


def list_actions(request: Request) -> Answer:
    """List what was done, newest first."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx, include_deleted=OF_DELETED.at(request.version))
        operations = [one for one in journal.history(tx, SERVER, server.id) if _in_time(request, one)]
    page = pages.read_page(request) if PAGED.at(request.version) else Page(limit=len(operations), marker=None)
    shown, more = pages.cut(page, _behind(operations, page.marker))
    view = ACTION.at(request.version)
    body: View = {"instanceActions": [view(server, operation, ()) for operation in shown]}
    if more:
        path = f"/servers/{server.id}/os-instance-actions"
        body["links"] = pages.next_links(request, path, shown[-1].request_id)
    return Answer(body=body)


def _in_time(request: Request, operation: OperationRow) -> bool:
    if not PAGED.at(request.version):
        return True
    since, before = request.first("changes-since"), request.first("changes-before")
    moment = _updated_at(operation)
    if since is not None and moment < times.bound(since, "changes-since"):
        return False
    return before is None or moment <= times.bound(before, "changes-before")


def _behind(operations: list[OperationRow], marker: str | None) -> list[OperationRow]:
    if marker is None:
        return operations
    for position, operation in enumerate(operations):
        if operation.request_id == marker:
            return operations[position + 1 :]
    raise errors.BadRequest(f"marker [{marker}] not found")


def show_action(request: Request) -> Answer:
    """Show one request's action with its events."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx, include_deleted=OF_DELETED.at(request.version))
        operation = _of_request(tx, server, request.params["request_id"])
        events = _events(operation, journal.events(tx, operation.id))
    view = ACTION.at(request.version)(server, operation, events)
    if EVENTS_FOR_ALL.at(request.version) or request.may(EVENTS):
        makers = _event_parts(request)
        view["events"] = [{name: part for make in makers for name, part in make(server, event).items()} for event in events]
    return Answer(body={"instanceAction": view})


def _of_request(tx: Tx, server: Server, request_id: str) -> OperationRow:
    for operation in journal.history(tx, SERVER, server.id):
        if operation.request_id == request_id:
            return operation
    raise errors.NotFound(f"Action for request_id {request_id} on instance {server.id} not found")


def _events(operation: OperationRow, ended: Sequence[StepEvent]) -> list[StepEvent]:
    """Give the events, the running step last."""
    if operation.ended_at is not None or operation.step is None:
        return list(ended)
    running = StepEvent(
        step=operation.step,
        unwinding=operation.unwinding,
        attempt=operation.attempt,
        started_at=_updated_at(operation, ended),
        ended_at=None,
        outcome=None,
        host=None,
        message=operation.away,
    )
    return [*ended, running]


def _event(server: Server, event: StepEvent) -> View:
    result = None if event.outcome is None else "Success" if event.outcome == "done" else "Error"
    return {
        "event": f"undo_{event.step}" if event.unwinding else event.step,
        "start_time": times.micro(event.started_at),
        "finish_time": times.micro(event.ended_at),
        "result": result,
    }


def _trace(server: Server, event: StepEvent) -> View:
    return {"traceback": event.message}


def _host_id(server: Server, event: StepEvent) -> View:
    return {"hostId": host_id(server.project_id, event.host) if event.host else ""}


def _host(server: Server, event: StepEvent) -> View:
    return {"host": event.host}


def _details(server: Server, event: StepEvent) -> View:
    return {"details": event.message}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Some fields of an event, and the rule that shows them."""

    make: Callable[[Server, StepEvent], View]
    rule: str | None = None


_FIRST = (Part(make=_event), Part(make=_trace, rule=EVENTS))
_V262 = (*_FIRST, Part(make=_host_id), Part(make=_host, rule=EVENTS))
EVENT_PARTS: ByVersion[tuple[Part, ...]] = ByVersion(
    {"2.1": _FIRST, "2.62": _V262, "2.84": (*_V262, Part(make=_details, rule=DETAILS))}
)


def _event_parts(request: Request) -> list[Callable[[Server, StepEvent], View]]:
    parts = EVENT_PARTS.at(request.version)
    return [part.make for part in parts if part.rule is None or request.may(part.rule)]
