"""Documents of policy, and for which endpoints they are meant. They are kept for clients; nothing here obeys them."""

from __future__ import annotations

from nova_lite.api.identity.columns import merged, split
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import limits as views
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import limits as db
from nova_lite.db.engine import Tx
from nova_lite.identity import endpoint_filter
from nova_lite.identity.projects import new_id
from nova_lite.model.limits import PolicyAssociation, PolicyDocument

KNOWN = ("type", "blob")


def list_policies(request: Request) -> Answer:
    """GET /policies, by type."""
    with request.parts.database.read() as tx:
        found = db.POLICIES.list_by(tx, **exact(request, "type"))
    return answer_list(request, "policies", [views.policy(request, policy) for policy in found])


def show_policy(request: Request) -> Answer:
    """GET /policies/{policy_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"policy": views.policy(request, db.POLICIES.get(tx, request.params["policy_id"]))})


def create_policy(request: Request) -> Answer:
    """POST /policies."""
    columns, extra = split(request.body["policy"], KNOWN)
    policy = PolicyDocument(id=new_id(), extra=extra, **columns)
    request.parts.database.transact(lambda tx: db.POLICIES.insert(tx, policy))
    return Answer(status=201, body={"policy": views.policy(request, policy)})


def update_policy(request: Request) -> Answer:
    """PATCH /policies/{policy_id}."""
    columns, extra = split(request.body["policy"], KNOWN)

    def work(tx: Tx) -> PolicyDocument:
        found = db.POLICIES.get(tx, request.params["policy_id"])
        return db.POLICIES.update(tx, found.id, extra=merged(found.extra, extra), **columns)

    return Answer(body={"policy": views.policy(request, request.parts.database.transact(work))})


def delete_policy(request: Request) -> Answer:
    """DELETE /policies/{policy_id}."""
    request.parts.database.transact(lambda tx: endpoint_filter.delete_policy(tx, request.params["policy_id"]))
    return Answer(status=204)


def _association(request: Request) -> PolicyAssociation:
    """Give the association of the path: with an endpoint, a service, or a service in a region."""
    return PolicyAssociation(**request.params)


def check_association(request: Request) -> Answer:
    """GET /policies/{policy_id}/OS-ENDPOINT-POLICY/..."""
    with request.parts.database.read() as tx:
        endpoint_filter.check_association(tx, _association(request))
    return Answer(status=204)


def create_association(request: Request) -> Answer:
    """PUT /policies/{policy_id}/OS-ENDPOINT-POLICY/..."""
    request.parts.database.transact(lambda tx: endpoint_filter.associate(tx, _association(request)))
    return Answer(status=204)


def delete_association(request: Request) -> Answer:
    """DELETE /policies/{policy_id}/OS-ENDPOINT-POLICY/..."""
    request.parts.database.transact(lambda tx: endpoint_filter.dissociate(tx, _association(request)))
    return Answer(status=204)


def list_endpoints(request: Request) -> Answer:
    """GET /policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints."""
    with request.parts.database.read() as tx:
        found = endpoint_filter.endpoints_of(tx, request.params["policy_id"])
    return answer_list(request, "endpoints", [records.endpoint(request, endpoint) for endpoint in found])


def show_policy_of_endpoint(request: Request) -> Answer:
    """GET /endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy."""
    with request.parts.database.read() as tx:
        found = endpoint_filter.policy_of(tx, request.params["endpoint_id"])
    return Answer(body={"policy": views.policy(request, found)})
