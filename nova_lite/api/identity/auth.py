"""Logging in, and what a token says."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.auditing import address_of
from nova_lite.api.identity.lists import answer_list, flag
from nova_lite.api.identity.oauth import signed_request
from nova_lite.api.identity.views import receipts, records, tokens
from nova_lite.api.route import Answer, Request
from nova_lite.identity import catalog, revocations, roles
from nova_lite.identity.factors import MoreFactorsNeeded
from nova_lite.identity.keys import EXPIRED_S
from nova_lite.identity.login import Attempt
from nova_lite.identity.tokens import Claims
from nova_lite.model.identity import Target

READS = ("GET", "HEAD")
ACCESS_RULES = "OPENSTACK-IDENTITY-ACCESS-RULES"  # by this header a service says that it looks at access rules
VARY = {"Vary": "X-Auth-Token"}


def _wants_catalog(request: Request) -> bool:
    return "nocatalog" not in request.query


def create_token(request: Request) -> Answer:
    """POST /auth/tokens: log in."""
    try:
        address = address_of(request)
        attempt = Attempt(address=address, receipt=request.headers.get(receipts.HEADER), signed=signed_request(request))
        token, claims = request.parts.identity.login.authenticate(request.body["auth"], address, attempt)
    except MoreFactorsNeeded as error:
        return receipts.show(request, error)
    with request.parts.database.read() as tx:
        view = tokens.show(tx, claims, with_catalog=_wants_catalog(request))
    return Answer(status=201, body=view, headers=VARY | {"X-Subject-Token": token})


def _subject(request: Request) -> tuple[str, Claims]:
    """Read the token that is spoken of, and check that the caller may. Raises: NotFound, Forbidden."""
    token = request.headers.get("X-SUBJECT-TOKEN", "")
    expired_s = EXPIRED_S if request.method in READS and flag(request, "allow_expired") else 0.0
    try:
        claims = request.parts.identity.tokens.read(token, expired_s=expired_s)
    except errors.Unauthorized as error:
        raise errors.NotFound("Could not find token.") from error
    request.enforce(target={"target.token.user_id": claims.user_id})
    if claims.access_rules is not None and request.method in READS and ACCESS_RULES not in request.headers:
        raise errors.NotFound("Could not find token.")  # who asks would not keep to its rules
    return token, claims


def show_token(request: Request) -> Answer:
    """GET and HEAD /auth/tokens: check a token."""
    token, claims = _subject(request)
    with request.parts.database.read() as tx:
        view = tokens.show(tx, claims, with_catalog=_wants_catalog(request))
    return Answer(body=view, headers=VARY | {"X-Subject-Token": token})


def revoke_token(request: Request) -> Answer:
    """DELETE /auth/tokens: end a token, and those made from it."""
    _, claims = _subject(request)
    database = request.parts.database
    database.transact(lambda tx: revocations.revoke(tx, revocations.AUDIT, claims.audit_ids[0]))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def show_catalog(request: Request) -> Answer:
    """GET /auth/catalog. Raises: Forbidden without a scope."""
    context = request.context
    if context.project_id is None and context.domain_id is None and context.system_scope is None:
        raise errors.Forbidden("The token has no scope, so there is no catalog for it.")
    with request.parts.database.read() as tx:
        return answer_list(request, "catalog", catalog.show(tx, context.project_id))


def list_projects(request: Request) -> Answer:
    """GET /auth/projects: where one may log in."""
    with request.parts.database.read() as tx:
        found = roles.projects_of(tx, str(request.context.user_id))
    return answer_list(request, "projects", [records.project(request, project) for project in found])


def list_domains(request: Request) -> Answer:
    """GET /auth/domains: where one may log in."""
    with request.parts.database.read() as tx:
        found = roles.domains_of(tx, str(request.context.user_id))
    return answer_list(request, "domains", [records.domain(request, domain) for domain in found])


def list_systems(request: Request) -> Answer:
    """GET /auth/system: whether one may log in to the whole system."""
    with request.parts.database.read() as tx:
        held = roles.effective(tx, str(request.context.user_id), Target.SYSTEM, None)
    return answer_list(request, "system", [{"all": True}] if held else [])


def change_password(request: Request) -> Answer:
    """POST /users/{user_id}/password: change one's own password; needs no token."""
    body = request.body["user"]
    login = request.parts.identity.login
    login.change_password(request.params["user_id"], body["original_password"], body["password"], address_of(request))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)
