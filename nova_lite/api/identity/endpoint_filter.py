"""Which endpoints a project's catalog shows: chosen one by one, or in groups."""

from __future__ import annotations

from collections.abc import Callable

from nova_lite import errors
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import limits as views
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity
from nova_lite.db import limits as db
from nova_lite.db.engine import Tx
from nova_lite.identity import endpoint_filter
from nova_lite.identity.projects import new_id
from nova_lite.model.limits import EndpointGroup


def list_groups(request: Request) -> Answer:
    """GET /OS-EP-FILTER/endpoint_groups."""
    with request.parts.database.read() as tx:
        found = db.ENDPOINT_GROUPS.list_by(tx, **exact(request, "name"))
    return answer_list(request, "endpoint_groups", [views.endpoint_group(request, group) for group in found])


def show_group(request: Request) -> Answer:
    """GET /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}."""
    with request.parts.database.read() as tx:
        found = db.ENDPOINT_GROUPS.get(tx, request.params["endpoint_group_id"])
    return Answer(body={"endpoint_group": views.endpoint_group(request, found)})


def create_group(request: Request) -> Answer:
    """POST /OS-EP-FILTER/endpoint_groups."""
    group = EndpointGroup(id=new_id(), **request.body["endpoint_group"])
    request.parts.database.transact(lambda tx: db.ENDPOINT_GROUPS.insert(tx, group))
    return Answer(status=201, body={"endpoint_group": views.endpoint_group(request, group)})


def update_group(request: Request) -> Answer:
    """PATCH /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}."""

    def work(tx: Tx) -> EndpointGroup:
        found = db.ENDPOINT_GROUPS.get(tx, request.params["endpoint_group_id"])
        return db.ENDPOINT_GROUPS.update(tx, found.id, **request.body["endpoint_group"])

    changed = request.parts.database.transact(work)
    return Answer(body={"endpoint_group": views.endpoint_group(request, changed)})


def delete_group(request: Request) -> Answer:
    """DELETE /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}."""
    key = request.params["endpoint_group_id"]
    request.parts.database.transact(lambda tx: endpoint_filter.delete_group(tx, key))
    return Answer(status=204)


def list_endpoints_of_group(request: Request) -> Answer:
    """GET /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints."""
    with request.parts.database.read() as tx:
        found = endpoint_filter.in_group(tx, db.ENDPOINT_GROUPS.get(tx, request.params["endpoint_group_id"]))
    return answer_list(request, "endpoints", [records.endpoint(request, endpoint) for endpoint in found])


def list_projects_of_group(request: Request) -> Answer:
    """GET /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects."""
    key = request.params["endpoint_group_id"]
    with request.parts.database.read() as tx:
        db.ENDPOINT_GROUPS.get(tx, key)
        ids = [each.project_id for each in db.PROJECT_GROUPS.list_by(tx, endpoint_group_id=key)]
        found = identity.PROJECTS.list_by(tx, id=ids) if ids else []
    return answer_list(request, "projects", [records.project(request, project) for project in found])


def check_group_in_project(request: Request) -> Answer:
    """GET /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}."""
    group_id, project_id = request.params["endpoint_group_id"], request.params["project_id"]
    with request.parts.database.read() as tx:
        endpoint_filter.check_group(tx, project_id, group_id)
    path = f"/OS-EP-FILTER/endpoint_groups/{group_id}/projects/{project_id}"
    view = {"endpoint_group_id": group_id, "project_id": project_id, "links": records.links(request, path)}
    return Answer(body={"project_endpoint_group": view})


def add_group_to_project(request: Request) -> Answer:
    """PUT /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}."""
    group_id, project_id = request.params["endpoint_group_id"], request.params["project_id"]
    request.parts.database.transact(lambda tx: endpoint_filter.add_group(tx, project_id, group_id))
    return Answer(status=204)


def remove_group_from_project(request: Request) -> Answer:
    """DELETE /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}."""
    group_id, project_id = request.params["endpoint_group_id"], request.params["project_id"]

    def work(tx: Tx) -> None:
        endpoint_filter.check_group(tx, project_id, group_id)
        db.PROJECT_GROUPS.delete_by(tx, project_id=project_id, endpoint_group_id=group_id)

    request.parts.database.transact(work)
    return Answer(status=204)


def list_projects_of_endpoint(request: Request) -> Answer:
    """GET /OS-EP-FILTER/endpoints/{endpoint_id}/projects."""
    key = request.params["endpoint_id"]
    with request.parts.database.read() as tx:
        identity.ENDPOINTS.get(tx, key)
        ids = [each.project_id for each in db.PROJECT_ENDPOINTS.list_by(tx, endpoint_id=key)]
        found = identity.PROJECTS.list_by(tx, id=ids) if ids else []
    return answer_list(request, "projects", [records.project(request, project) for project in found])


def list_groups_of_project(request: Request) -> Answer:
    """GET /OS-EP-FILTER/projects/{project_id}/endpoint_groups."""
    key = request.params["project_id"]
    with request.parts.database.read() as tx:
        identity.PROJECTS.get(tx, key)
        found = endpoint_filter.groups_of(tx, key)
    return answer_list(request, "endpoint_groups", [views.endpoint_group(request, group) for group in found])


def list_endpoints_of_project(request: Request) -> Answer:
    """GET /OS-EP-FILTER/projects/{project_id}/endpoints: those that were chosen."""
    key = request.params["project_id"]
    with request.parts.database.read() as tx:
        identity.PROJECTS.get(tx, key)
        found = endpoint_filter.chosen_for(tx, key)
    return answer_list(request, "endpoints", [records.endpoint(request, endpoint) for endpoint in found])


def _transact(request: Request, work: Callable[[Tx, str, str], None]) -> Answer:
    project_id, endpoint_id = request.params["project_id"], request.params["endpoint_id"]
    request.parts.database.transact(lambda tx: work(tx, project_id, endpoint_id))
    return Answer(status=204)


def check_endpoint(request: Request) -> Answer:
    """GET /OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}."""
    with request.parts.database.read() as tx:
        endpoint_filter.check_endpoint(tx, request.params["project_id"], request.params["endpoint_id"])
    return Answer(status=204)


def add_endpoint(request: Request) -> Answer:
    """PUT /OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}."""
    return _transact(request, endpoint_filter.add_endpoint)


def remove_endpoint(request: Request) -> Answer:
    """DELETE /OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}."""

    def work(tx: Tx, project_id: str, endpoint_id: str) -> None:
        if db.PROJECT_ENDPOINTS.delete_by(tx, project_id=project_id, endpoint_id=endpoint_id) == 0:
            raise errors.NotFound(f"Endpoint {endpoint_id[:64]} not found in project {project_id[:64]}.")

    return _transact(request, work)
