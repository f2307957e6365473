"""Registered limits and limits."""

from __future__ import annotations

from typing import Any

from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import limits as views
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity
from nova_lite.db import limits as db
from nova_lite.db.engine import Tx
from nova_lite.identity import limits
from nova_lite.identity.limits import LimitOrder
from nova_lite.identity.projects import new_id
from nova_lite.model.limits import Limit, RegisteredLimit


def show_model(_request: Request) -> Answer:
    """GET /limits/model."""
    return Answer(body={"model": limits.MODEL})


def _columns(body: dict[str, Any]) -> dict[str, Any]:
    return {name: "" if name == "region_id" and value is None else value for name, value in body.items()}


def list_registered(request: Request) -> Answer:
    """GET /registered_limits, with filters."""
    with request.parts.database.read() as tx:
        found = db.REGISTERED.list_by(tx, **exact(request, "service_id", "region_id", "resource_name"))
    return answer_list(request, "registered_limits", [views.registered(request, each) for each in found])


def show_registered(request: Request) -> Answer:
    """GET /registered_limits/{registered_limit_id}."""
    with request.parts.database.read() as tx:
        found = db.REGISTERED.get(tx, request.params["registered_limit_id"])
    return Answer(body={"registered_limit": views.registered(request, found)})


def create_registered(request: Request) -> Answer:
    """POST /registered_limits: a list, all or none."""
    asked = [RegisteredLimit(id=new_id(), **_columns(each)) for each in request.body["registered_limits"]]
    made = request.parts.database.transact(lambda tx: limits.register(tx, asked))
    return Answer(status=201, body={"registered_limits": [views.registered(request, each) for each in made]})


def update_registered(request: Request) -> Answer:
    """PATCH /registered_limits/{registered_limit_id}."""
    changes, key = _columns(request.body["registered_limit"]), request.params["registered_limit_id"]
    made = request.parts.database.transact(lambda tx: limits.update_registered(tx, key, changes))
    return Answer(body={"registered_limit": views.registered(request, made)})


def delete_registered(request: Request) -> Answer:
    """DELETE /registered_limits/{registered_limit_id}."""
    request.parts.database.transact(lambda tx: limits.delete_registered(tx, request.params["registered_limit_id"]))
    return Answer(status=204)


def list_limits(request: Request) -> Answer:
    """GET /limits: one's project's; in a domain, the domain's and its projects'; to those over all, all."""
    context = request.context
    registered = exact(request, "service_id", "region_id", "resource_name")
    equal = exact(request, "project_id", "domain_id")
    over_all = context.system_scope is not None or context.is_admin or "service" in context.roles
    with request.parts.database.read() as tx:
        found = limits.list_limits(tx, registered, equal)
        if not over_all:
            mine = _mine(tx, request)
            found = [(limit, of) for limit, of in found if (limit.project_id or limit.domain_id) in mine]
    return answer_list(request, "limits", [views.limit(request, limit, of) for limit, of in found])


def _mine(tx: Tx, request: Request) -> set[str]:
    context = request.context
    if context.domain_id:
        return {context.domain_id} | {each.id for each in identity.PROJECTS.list_by(tx, domain_id=context.domain_id)}
    return {context.project_id} if context.project_id else set()


def show_limit(request: Request) -> Answer:
    """GET /limits/{limit_id}."""
    key = request.params["limit_id"]
    with request.parts.database.read() as tx:
        request.enforce(target=_target(tx, db.LIMITS.find(tx, key)))
        return Answer(body={"limit": views.limit(request, *limits.get(tx, key))})


def _target(tx: Tx, limit: Limit | None) -> dict[str, str | None]:
    """Name whose a limit is; nobody's when there is none, so that strangers do not learn which there are."""
    project = identity.PROJECTS.find(tx, limit.project_id) if limit and limit.project_id else None
    domain_id = project.domain_id if project else limit.domain_id if limit else ""
    return {"target.limit.project_id": limit.project_id if limit else "", "target.limit.domain.id": domain_id}


def create_limits(request: Request) -> Answer:
    """POST /limits: a list, all or none."""
    asked = [
        LimitOrder(id=new_id(), **{name: value for name, value in each.items() if value is not None})
        for each in request.body["limits"]
    ]
    made = request.parts.database.transact(lambda tx: limits.create(tx, asked))
    return Answer(status=201, body={"limits": [views.limit(request, limit, of) for limit, of in made]})


def update_limit(request: Request) -> Answer:
    """PATCH /limits/{limit_id}: how much it is, and what is said of it."""

    def work(tx: Tx) -> tuple[Limit, RegisteredLimit]:
        limit, registered = limits.get(tx, request.params["limit_id"])
        return db.LIMITS.update(tx, limit.id, **request.body["limit"]), registered

    return Answer(body={"limit": views.limit(request, *request.parts.database.transact(work))})


def delete_limit(request: Request) -> Answer:
    """DELETE /limits/{limit_id}."""
    request.parts.database.transact(lambda tx: db.LIMITS.delete(tx, request.params["limit_id"]))
    return Answer(status=204)
