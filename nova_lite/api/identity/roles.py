"""Roles, global ones and those of domains, which have rules of their own."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.identity import targets
from nova_lite.api.identity.columns import check_id, merged, split
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import immutable, projects, roles
from nova_lite.model.identity import ROOT, Role

COLUMNS = ("name", "domain_id", "description")


def _enforce(request: Request, verb: str, role: Role | None = None, *, of_domain: bool = False) -> None:
    """Enforce the rule of a verb, that on roles of domains for such. Raises: Forbidden."""
    noun = "domain_role" if of_domain or (role is not None and role.domain_id) else "role"
    plural = "s" if verb == "list" else ""
    request.enforce(f"identity:{verb}_{noun}{plural}", targets.of_role(role))


def _acted_on(request: Request, tx: Tx, verb: str) -> Role:
    """Read the role of the path, if the caller may act on it. Raises: Forbidden, NotFound."""
    role = db.ROLES.find(tx, request.params["role_id"])
    _enforce(request, verb, role)
    return role or db.ROLES.get(tx, request.params["role_id"])


def list_roles(request: Request) -> Answer:
    """GET /roles: global ones, or those of `domain_id`."""
    asked = exact(request, "name", "domain_id")
    _enforce(request, "list", of_domain=bool(asked.get("domain_id")))
    with request.parts.database.read() as tx:
        found = db.ROLES.list_by(tx, **{"domain_id": ROOT} | asked)
    return answer_list(request, "roles", [records.role(request, role) for role in found])


def show_role(request: Request) -> Answer:
    """GET /roles/{role_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"role": records.role(request, _acted_on(request, tx, "get"))})


def create_role(request: Request) -> Answer:
    """POST /roles."""
    columns, extra = split(request.body["role"], COLUMNS)
    columns["domain_id"] = columns.get("domain_id") or ROOT
    role = roles.new_role(columns.pop("name"), extra=merged({}, extra), **columns)
    _enforce(request, "create", role)

    def work(tx: Tx) -> Role:
        if role.domain_id:
            projects.get_domain(tx, role.domain_id)
        return roles.create(tx, role)

    return Answer(status=201, body={"role": records.role(request, request.parts.database.transact(work))})


def update_role(request: Request) -> Answer:
    """PATCH /roles/{role_id}."""
    body = request.body["role"]
    columns, extra = split(body, COLUMNS)
    changes = {name: value for name, value in columns.items() if name != "domain_id"}

    def work(tx: Tx) -> Role:
        role = db.ROLES.hold(tx, _acted_on(request, tx, "update").id)
        check_id(body, role.id)
        immutable.check_change(role.extra, body, "role")
        if (columns.get("domain_id", role.domain_id) or ROOT) != role.domain_id:
            raise errors.BadRequest("A role cannot move to another domain.")
        return roles.update(tx, role, changes | {"extra": merged(role.extra, extra)})

    changed = request.parts.database.transact(work)
    request.parts.identity.tokens.catch_up()
    return Answer(body={"role": records.role(request, changed)})


def delete_role(request: Request) -> Answer:
    """DELETE /roles/{role_id}."""
    request.parts.database.transact(lambda tx: roles.delete(tx, _acted_on(request, tx, "delete").id))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)
