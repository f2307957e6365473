"""Queries on limits, documents of policy, and what filters the catalog."""

from __future__ import annotations

from nova_lite.db.engine import Tx
from nova_lite.db.identity import Rows
from nova_lite.db.tables import limits as tables
from nova_lite.model import limits as model

REGISTERED = Rows(tables.registered_limits, model.RegisteredLimit, "registered limit")
LIMITS = Rows(tables.limits, model.Limit, "limit")
POLICIES = Rows(tables.policies, model.PolicyDocument, "policy")
ASSOCIATIONS = Rows(tables.policy_associations, model.PolicyAssociation, "policy association")
ENDPOINT_GROUPS = Rows(tables.endpoint_groups, model.EndpointGroup, "endpoint group")
PROJECT_ENDPOINTS = Rows(tables.project_endpoints, model.ProjectEndpoint, "project endpoint")
PROJECT_GROUPS = Rows(tables.project_endpoint_groups, model.ProjectEndpointGroup, "project endpoint group")


def forget_project(tx: Tx, project_id: str) -> None:
    """Remove what speaks of a project or domain that goes."""
    LIMITS.delete_by(tx, project_id=project_id)
    LIMITS.delete_by(tx, domain_id=project_id)
    PROJECT_ENDPOINTS.delete_by(tx, project_id=project_id)
    PROJECT_GROUPS.delete_by(tx, project_id=project_id)


def forget_endpoint(tx: Tx, endpoint_id: str) -> None:
    """Remove what speaks of an endpoint that goes."""
    PROJECT_ENDPOINTS.delete_by(tx, endpoint_id=endpoint_id)
    ASSOCIATIONS.delete_by(tx, endpoint_id=endpoint_id)


def forget_service(tx: Tx, service_id: str) -> None:
    """Remove what speaks of a service that goes. Its limits stay, for their own owner to remove, as in Keystone."""
    ASSOCIATIONS.delete_by(tx, service_id=service_id)
