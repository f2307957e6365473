"""Domains."""

from __future__ import annotations

from nova_lite.api.identity import targets
from nova_lite.api.identity.columns import merged, split
from nova_lite.api.identity.lists import answer_rows, exact
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import immutable, projects
from nova_lite.model.identity import ROOT, Project

COLUMNS = ("name", "description", "enabled")


def _acted_on(request: Request, tx: Tx) -> Project:
    """Read the domain of the path, if the caller may act on it. Raises: Forbidden, NotFound."""
    domain = db.PROJECTS.find(tx, request.params["domain_id"])
    request.enforce(target=targets.of_domain(domain))
    return projects.get_domain(tx, request.params["domain_id"])


def list_domains(request: Request) -> Answer:
    """GET /domains, with filters; with a token of a domain that one only."""
    request.enforce(target=targets.own_domain(request))
    equal = exact(request, "name")
    own = request.context.domain_id
    if own is not None:
        equal["id"] = own
    return answer_rows(request, "domains", db.PROJECTS, {**equal, "is_domain": True}, records.domain)


def show_domain(request: Request) -> Answer:
    """GET /domains/{domain_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"domain": records.domain(request, _acted_on(request, tx))})


def create_domain(request: Request) -> Answer:
    """POST /domains."""
    body = request.body["domain"]
    columns, extra = split(body, COLUMNS, apart=("explicit_domain_id",))
    database = request.parts.database
    domain = Project(
        id=body.get("explicit_domain_id") or projects.new_id(),
        domain_id=ROOT,
        is_domain=True,
        created_at=database.clock.wall(),
        extra=merged({}, extra),
        **columns,
    )
    database.transact(lambda tx: projects.create(tx, domain))
    return Answer(status=201, body={"domain": records.domain(request, domain)})


def update_domain(request: Request) -> Answer:
    """PATCH /domains/{domain_id}."""
    body = request.body["domain"]
    columns, extra = split(body, COLUMNS)

    def work(tx: Tx) -> Project:
        domain = projects.get_domain(tx, request.params["domain_id"])
        domain = db.PROJECTS.hold(tx, domain.id)
        immutable.check_change(domain.extra, body, "domain")
        return projects.update(tx, domain, columns | {"extra": merged(domain.extra, extra)})

    changed = request.parts.database.transact(work)
    request.parts.identity.tokens.catch_up()
    return Answer(body={"domain": records.domain(request, changed)})


def delete_domain(request: Request) -> Answer:
    """DELETE /domains/{domain_id}."""
    request.parts.database.transact(lambda tx: projects.delete_domain(tx, request.params["domain_id"]))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)
