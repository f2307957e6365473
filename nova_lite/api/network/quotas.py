"""Quotas of the Network API: what a project may have of what is made here. They are only shown."""

from __future__ import annotations

from nova_lite.api.route import Answer, Request
from nova_lite.db import networks as queries
from nova_lite.network.limits import LIMITS


def _target(request: Request) -> str:
    """Give the path's project once the route's rule allows it. Raises: Forbidden."""
    project_id = request.params["project_id"]
    request.enforce(target={"project_id": project_id})
    return project_id


def show_quota(request: Request) -> Answer:
    """Show a project's limits, which are everybody's."""
    _target(request)
    return Answer(body={"quota": dict(LIMITS)})


def show_details(request: Request) -> Answer:
    """Show a project's limits with what is used."""
    project_id = _target(request)
    with request.parts.network.database.read() as tx:
        used = queries.count_owned(tx, project_id)
    detail = {name: {"limit": limit, "used": used[name], "reserved": 0} for name, limit in LIMITS.items()}
    return Answer(body={"quota": detail})
