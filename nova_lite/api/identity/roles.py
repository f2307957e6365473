"""Roles and what they imply."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.identity.columns import merged, split
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import projects, roles
from nova_lite.model.identity import ROOT, Role

COLUMNS = ("name", "domain_id", "description")


def list_roles(request: Request) -> Answer:
    """GET /roles: global ones, or those of `domain_id`."""
    equal = {"domain_id": ROOT} | exact(request, "name", "domain_id")
    with request.parts.database.read() as tx:
        found = db.ROLES.list_by(tx, **equal)
    return answer_list(request, "roles", [records.role(request, role) for role in found])


def show_role(request: Request) -> Answer:
    """GET /roles/{role_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"role": records.role(request, db.ROLES.get(tx, request.params["role_id"]))})


def create_role(request: Request) -> Answer:
    """POST /roles."""
    columns, extra = split(request.body["role"], COLUMNS)
    columns["domain_id"] = columns.get("domain_id") or ROOT
    role = roles.new_role(columns.pop("name"), extra=merged({}, extra), **columns)

    def work(tx: Tx) -> Role:
        if role.domain_id:
            projects.get_domain(tx, role.domain_id)
        return roles.create(tx, role)

    return Answer(status=201, body={"role": records.role(request, request.parts.database.transact(work))})


def update_role(request: Request) -> Answer:
    """PATCH /roles/{role_id}."""
    columns, extra = split(request.body["role"], COLUMNS)

    def work(tx: Tx) -> Role:
        role = db.ROLES.get(tx, request.params["role_id"])
        if (columns.pop("domain_id", role.domain_id) or ROOT) != role.domain_id:
            raise errors.BadRequest("A role cannot move to another domain.")
        return db.ROLES.update(tx, role.id, **columns, extra=merged(role.extra, extra))

    return Answer(body={"role": records.role(request, request.parts.database.transact(work))})


def delete_role(request: Request) -> Answer:
    """DELETE /roles/{role_id}."""
    request.parts.database.transact(lambda tx: roles.delete(tx, request.params["role_id"]))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def _short(request: Request, role: Role) -> dict[str, Any]:
    return {"id": role.id, "name": role.name, "links": records.links(request, f"/roles/{role.id}")}


def _inference(request: Request, tx: Tx, prior: Role, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    ids = [implied for first, implied in pairs if first == prior.id]
    implied = db.ROLES.list_by(tx, id=ids) if ids else []
    return {"prior_role": _short(request, prior), "implies": [_short(request, role) for role in implied]}


def list_implied(request: Request) -> Answer:
    """GET /roles/{prior_role_id}/implies."""
    with request.parts.database.read() as tx:
        prior = db.ROLES.get(tx, request.params["prior_role_id"])
        view = _inference(request, tx, prior, db.implications(tx))
    address = records.links(request, f"/roles/{prior.id}/implies")
    return Answer(body={"role_inference": view, "links": address})


def list_inferences(request: Request) -> Answer:
    """GET /role_inferences."""
    with request.parts.database.read() as tx:
        pairs = db.implications(tx)
        ids = {prior for prior, _ in pairs}
        priors = db.ROLES.list_by(tx, id=list(ids)) if ids else []
        views = [_inference(request, tx, prior, pairs) for prior in priors]
    return Answer(body={"role_inferences": views, "links": records.links(request, "/role_inferences")})


def _both(request: Request, tx: Tx) -> tuple[Role, Role]:
    return db.ROLES.get(tx, request.params["prior_role_id"]), db.ROLES.get(tx, request.params["implied_role_id"])


def _pair_answer(request: Request, prior: Role, implied: Role, status: int) -> Answer:
    view = {"prior_role": _short(request, prior), "implies": _short(request, implied)}
    address = records.links(request, f"/roles/{prior.id}/implies/{implied.id}")
    return Answer(status=status, body={"role_inference": view, "links": address})


def show_implied(request: Request) -> Answer:
    """GET and HEAD /roles/{prior_role_id}/implies/{implied_role_id}. Raises: NotFound when it does not imply it."""
    with request.parts.database.read() as tx:
        prior, implied = _both(request, tx)
        if (prior.id, implied.id) not in db.implications(tx):
            raise errors.NotFound(f"The role {prior.name} does not imply {implied.name}.")
    return _pair_answer(request, prior, implied, 200)


def create_implied(request: Request) -> Answer:
    """PUT /roles/{prior_role_id}/implies/{implied_role_id}. Raises: Forbidden for admin as the implied one, or a circle."""

    def work(tx: Tx) -> tuple[Role, Role]:
        prior, implied = _both(request, tx)
        if implied.name == "admin" or prior.id in roles.expand(tx, [implied.id]):
            raise errors.Forbidden(f"The role {implied.name} cannot be implied by {prior.name}.")
        db.add_implication(tx, prior.id, implied.id)
        return prior, implied

    return _pair_answer(request, *request.parts.database.transact(work), 201)


def delete_implied(request: Request) -> Answer:
    """DELETE /roles/{prior_role_id}/implies/{implied_role_id}."""

    def work(tx: Tx) -> None:
        prior, implied = _both(request, tx)
        roles.stop_implying(tx, prior.id, implied.id)

    request.parts.database.transact(work)
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)
