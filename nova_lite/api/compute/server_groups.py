"""Server groups: servers that shall share a host, or shall not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api import pages
from nova_lite.api.compute.lookup import is_uuid, project_seen
from nova_lite.api.compute.views import server_groups as views
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.model.server_group import ANTI_AFFINITY, ServerGroup
from nova_lite.servers import groups

ALL_PROJECTS = "os_compute_api:os-server-groups:index:all_projects"
OFFSET_MAX = 2**31 - 1


def list_groups(request: Request) -> Answer:
    """List the project's groups; `all_projects`, whatever its value, all for those who may."""
    everywhere = "all_projects" in request.query and request.may(ALL_PROJECTS)
    project_id = None if everywhere else request.context.project_id or ""
    limit = pages.read_page(request).limit
    offset = min(int(request.first("offset") or 0), OFFSET_MAX)
    with request.parts.database.read() as tx:
        found = groups.list_page(tx, project_id=project_id, limit=limit, offset=offset)
    view = views.VIEW.at(request.version)
    return Answer(body={"server_groups": [view(group) for group in found]})


def _named(request: Request) -> str:
    """Give the path's id. Raises: NotFound for what can be none."""
    group_id = request.params["group_id"]
    if not is_uuid(group_id):
        raise errors.NotFound(f"Instance group {group_id[:64]} could not be found.")
    return group_id


def _answer(request: Request, group: ServerGroup) -> Answer:
    return Answer(body={"server_group": views.VIEW.at(request.version)(group)})


def show_group(request: Request) -> Answer:
    """Show one."""
    with request.parts.database.read() as tx:
        group = groups.get(tx, _named(request), project_id=project_seen(request))
    request.enforce(target={"project_id": group.project_id})
    return _answer(request, group)


def create_group(request: Request) -> Answer:
    """Make one without members: servers join as they are created."""
    asked, context = request.body["server_group"], request.context
    policy = asked["policy"] if "policy" in asked else asked["policies"][0]
    group = ServerGroup(
        id=groups.new_id(),
        project_id=context.project_id or "",
        user_id=context.user_id or "",
        name=asked["name"],
        policy=policy,
        max_per_host=_most(policy, asked.get("rules", {})),
        created_at=request.parts.clock.wall(),
    )
    request.parts.database.transact(lambda tx: groups.create(tx, group))
    return _answer(request, group)


def _most(policy: str, rules: Mapping[str, Any]) -> int | None:
    if rules and policy != ANTI_AFFINITY:
        raise errors.BadRequest("Only anti-affinity policy supports rules.")
    return int(rules["max_server_per_host"]) if rules else None


def delete_group(request: Request) -> Answer:
    """Remove one; its servers live on."""
    group_id = _named(request)

    def work(tx: Tx) -> None:
        group = groups.delete(tx, group_id, project_id=project_seen(request))
        request.enforce(target={"project_id": group.project_id})

    request.parts.database.transact(work)
    return Answer(status=204)
