"""Which endpoints a project's catalog shows, and which document of policy is meant for an endpoint."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.db import identity
from nova_lite.db import limits as db
from nova_lite.db.engine import Tx
from nova_lite.model.identity import CatalogEndpoint
from nova_lite.model.limits import EndpointGroup, PolicyAssociation, PolicyDocument, ProjectEndpoint, ProjectEndpointGroup


def matches(group: EndpointGroup, endpoint: CatalogEndpoint) -> bool:
    """Whether an endpoint has all that a group asks for."""
    return all(getattr(endpoint, name) == value for name, value in group.filters.items())


def in_group(tx: Tx, group: EndpointGroup) -> list[CatalogEndpoint]:
    """List the endpoints of a group."""
    return [endpoint for endpoint in identity.ENDPOINTS.list_by(tx) if matches(group, endpoint)]


def groups_of(tx: Tx, project_id: str) -> list[EndpointGroup]:
    """List the groups that a project has."""
    ids = [each.endpoint_group_id for each in db.PROJECT_GROUPS.list_by(tx, project_id=project_id)]
    return db.ENDPOINT_GROUPS.list_by(tx, id=ids) if ids else []


def chosen_for(tx: Tx, project_id: str) -> list[CatalogEndpoint]:
    """List the endpoints that were chosen for a project, one by one or in groups; its catalog shows all when there are none."""
    groups = groups_of(tx, project_id)
    ids = {each.endpoint_id for each in db.PROJECT_ENDPOINTS.list_by(tx, project_id=project_id)}
    if not groups and not ids:
        return []
    every = identity.ENDPOINTS.list_by(tx)
    return [endpoint for endpoint in every if endpoint.id in ids or any(matches(group, endpoint) for group in groups)]


def add_endpoint(tx: Tx, project_id: str, endpoint_id: str) -> None:
    """Choose an endpoint for a project. Raises: NotFound; Conflict when it was chosen before."""
    identity.ENDPOINTS.get(tx, endpoint_id)
    identity.PROJECTS.get(tx, project_id)
    db.PROJECT_ENDPOINTS.insert(tx, ProjectEndpoint(project_id=project_id, endpoint_id=endpoint_id))


def check_endpoint(tx: Tx, project_id: str, endpoint_id: str) -> None:
    """Raises: NotFound when an endpoint was not chosen for a project."""
    identity.ENDPOINTS.get(tx, endpoint_id)
    identity.PROJECTS.get(tx, project_id)
    if db.PROJECT_ENDPOINTS.find_by(tx, project_id=project_id, endpoint_id=endpoint_id) is None:
        raise errors.NotFound(f"Endpoint {endpoint_id[:64]} not found in project {project_id[:64]}.")


def add_group(tx: Tx, project_id: str, group_id: str) -> None:
    """Choose a group for a project. Raises: NotFound; Conflict when it was chosen before."""
    identity.PROJECTS.get(tx, project_id)
    db.ENDPOINT_GROUPS.get(tx, group_id)
    db.PROJECT_GROUPS.insert(tx, ProjectEndpointGroup(project_id=project_id, endpoint_group_id=group_id))


def check_group(tx: Tx, project_id: str, group_id: str) -> None:
    """Raises: NotFound when a group was not chosen for a project."""
    identity.PROJECTS.get(tx, project_id)
    db.ENDPOINT_GROUPS.get(tx, group_id)
    if db.PROJECT_GROUPS.find_by(tx, project_id=project_id, endpoint_group_id=group_id) is None:
        raise errors.NotFound(f"Endpoint group {group_id[:64]} not found in project {project_id[:64]}.")


def delete_group(tx: Tx, group_id: str) -> None:
    """Remove a group. Raises: NotFound."""
    db.ENDPOINT_GROUPS.delete(tx, group_id)
    db.PROJECT_GROUPS.delete_by(tx, endpoint_group_id=group_id)


def place(tx: Tx, wanted: PolicyAssociation) -> dict[str, str]:
    """Give where an association is, once all that it names is found. Raises: NotFound."""
    db.POLICIES.get(tx, wanted.policy_id)
    if wanted.endpoint_id:
        identity.ENDPOINTS.get(tx, wanted.endpoint_id)
    if wanted.service_id:
        identity.SERVICES.get(tx, wanted.service_id)
    if wanted.region_id:
        identity.REGIONS.get(tx, wanted.region_id)
    return {"endpoint_id": wanted.endpoint_id, "service_id": wanted.service_id, "region_id": wanted.region_id}


def associate(tx: Tx, wanted: PolicyAssociation) -> None:
    """Mean a document for a place, in which there is one at most. Raises: NotFound."""
    db.ASSOCIATIONS.delete_by(tx, **place(tx, wanted))
    db.ASSOCIATIONS.insert(tx, wanted)


def check_association(tx: Tx, wanted: PolicyAssociation) -> None:
    """Raises: NotFound when the document is not meant for the place."""
    if db.ASSOCIATIONS.find_by(tx, policy_id=wanted.policy_id, **place(tx, wanted)) is None:
        raise errors.NotFound("Could not find policy association.")


def dissociate(tx: Tx, wanted: PolicyAssociation) -> None:
    """End an association. Raises: NotFound."""
    check_association(tx, wanted)
    db.ASSOCIATIONS.delete_by(tx, policy_id=wanted.policy_id, **place(tx, wanted))


def delete_policy(tx: Tx, policy_id: str) -> None:
    """Remove a document. Raises: NotFound."""
    db.POLICIES.delete(tx, policy_id)
    db.ASSOCIATIONS.delete_by(tx, policy_id=policy_id)


def policy_of(tx: Tx, endpoint_id: str) -> PolicyDocument:
    """Find the document meant for an endpoint: its own, else of its service in its region or one above, else of its service.

    Raises: NotFound.
    """
    endpoint = identity.ENDPOINTS.get(tx, endpoint_id)
    places = [{"endpoint_id": endpoint_id, "service_id": "", "region_id": ""}]
    for region_id in (*_with_those_above(tx, endpoint.region_id), ""):
        places.append({"endpoint_id": "", "service_id": endpoint.service_id, "region_id": region_id})
    for each in places:
        found = db.ASSOCIATIONS.find_by(tx, **each)
        if found is not None:
            return db.POLICIES.get(tx, found.policy_id)
    raise errors.NotFound(f"No policy is associated with endpoint {endpoint_id[:64]}.")


def _with_those_above(tx: Tx, region_id: str | None) -> list[str]:
    found: list[str] = []
    while region_id and region_id not in found:
        found.append(region_id)
        region = identity.REGIONS.find(tx, region_id)
        region_id = region.parent_region_id if region else None
    return found


def endpoints_of(tx: Tx, policy_id: str) -> list[CatalogEndpoint]:
    """List the endpoints for which a document is meant, by whatever association. Raises: NotFound."""
    db.POLICIES.get(tx, policy_id)
    meant = db.ASSOCIATIONS.list_by(tx, policy_id=policy_id)
    return [endpoint for endpoint in identity.ENDPOINTS.list_by(tx) if any(_is_meant(tx, one, endpoint) for one in meant)]


def _is_meant(tx: Tx, one: PolicyAssociation, endpoint: CatalogEndpoint) -> bool:
    if one.endpoint_id:
        return one.endpoint_id == endpoint.id
    in_region = not one.region_id or one.region_id in _with_those_above(tx, endpoint.region_id)
    return one.service_id == endpoint.service_id and in_region
