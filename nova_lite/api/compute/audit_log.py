"""The log of usage audits: which hosts counted their servers of the last period. Hosts count none here, and it says so."""

from __future__ import annotations

import datetime
from typing import Any

from nova_lite import errors
from nova_lite.api.route import Answer, Request
from nova_lite.inventory import hosts

FORM = "%Y-%m-%d %H:%M:%S"
FORMS = ("%Y-%m-%d %H:%M:%S.%f", FORM)


def list_log(request: Request) -> Answer:
    """Show the last whole month."""
    now = datetime.datetime.fromtimestamp(request.parts.clock.wall(), datetime.UTC)
    return Answer(body={"instance_usage_audit_logs": _log(request, now)})


def show_log(request: Request) -> Answer:
    """Show the last whole month before a moment."""
    return Answer(body={"instance_usage_audit_log": _log(request, _moment(request.params["before_timestamp"]))})


def _moment(text: str) -> datetime.datetime:
    for form in FORMS:
        try:
            return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.UTC)
        except ValueError:
            continue
    raise errors.BadRequest(f"Invalid timestamp for date {text[:64]}")


def _log(request: Request, before: datetime.datetime) -> dict[str, Any]:
    with request.parts.database.read() as tx:
        names = [host.name for host in hosts.list_hosts(tx)]
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if end == datetime.datetime.min.replace(tzinfo=datetime.UTC):
        raise errors.BadRequest("There is no month before that.")
    begin = (end - datetime.timedelta(days=1)).replace(day=1)
    return {
        "hosts_not_run": names,
        "log": {},
        "num_hosts": len(names),
        "num_hosts_done": 0,
        "num_hosts_not_run": len(names),
        "num_hosts_running": 0,
        "overall_status": f"0 of {len(names)} hosts done. 0 errors.",
        "period_beginning": begin.strftime(FORM),
        "period_ending": end.strftime(FORM),
        "total_errors": 0,
        "total_instances": 0,
    }
