"""Which roles imply which."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.identity import roles
from nova_lite.model.identity import Role


def _short(request: Request, role: Role) -> dict[str, Any]:
    return {"id": role.id, "name": role.name, "links": records.links(request, f"/roles/{role.id}")}


def _inference(request: Request, prior: Role, implied: list[Role]) -> dict[str, Any]:
    return {"prior_role": _short(request, prior), "implies": [_short(request, role) for role in implied]}


def list_implied(request: Request) -> Answer:
    """GET /roles/{prior_role_id}/implies."""
    with request.parts.database.read() as tx:
        prior = db.ROLES.get(tx, request.params["prior_role_id"])
        ids = [implied for first, implied in db.implications(tx) if first == prior.id]
        implied = db.ROLES.list_by(tx, id=ids) if ids else []
    address = records.links(request, f"/roles/{prior.id}/implies")
    return Answer(body={"role_inference": _inference(request, prior, implied), "links": address})


def list_inferences(request: Request) -> Answer:
    """GET /role_inferences."""
    with request.parts.database.read() as tx:
        pairs = db.implications(tx)
        known = {role.id: role for role in db.ROLES.list_by(tx)}
    implied: dict[str, list[Role]] = {role_id: [] for role_id in known}  # in the order of names
    for prior, other in pairs:
        implied[prior].append(known[other])
    views = [_inference(request, known[prior], others) for prior, others in implied.items() if others]
    return Answer(body={"role_inferences": views, "links": records.links(request, "/role_inferences")})


def _pair_answer(request: Request, prior: Role, implied: Role, status: int) -> Answer:
    view = {"prior_role": _short(request, prior), "implies": _short(request, implied)}
    address = records.links(request, f"/roles/{prior.id}/implies/{implied.id}")
    return Answer(status=status, body={"role_inference": view, "links": address})


def _pair(request: Request) -> tuple[Role, Role]:
    """Read the two roles of the path. Raises: NotFound, also when the first does not imply the second."""
    with request.parts.database.read() as tx:
        prior = db.ROLES.get(tx, request.params["prior_role_id"])
        implied = db.ROLES.get(tx, request.params["implied_role_id"])
        if (prior.id, implied.id) not in db.implications(tx):
            raise errors.NotFound(f"The role {prior.name} does not imply {implied.name}.")
    return prior, implied


def show_implied(request: Request) -> Answer:
    """GET /roles/{prior_role_id}/implies/{implied_role_id}."""
    return _pair_answer(request, *_pair(request), 200)


def check_implied(request: Request) -> Answer:
    """HEAD /roles/{prior_role_id}/implies/{implied_role_id}: as GET, without a body."""
    _pair(request)
    return Answer(status=204)


def create_implied(request: Request) -> Answer:
    """PUT /roles/{prior_role_id}/implies/{implied_role_id}."""
    params = request.params
    pair = request.parts.database.transact(lambda tx: roles.imply(tx, params["prior_role_id"], params["implied_role_id"]))
    return _pair_answer(request, *pair, 201)


def delete_implied(request: Request) -> Answer:
    """DELETE /roles/{prior_role_id}/implies/{implied_role_id}."""
    params = request.params
    request.parts.database.transact(lambda tx: roles.stop_implying(tx, params["prior_role_id"], params["implied_role_id"]))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)
