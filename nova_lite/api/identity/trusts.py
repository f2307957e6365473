"""Trusts: leave to act for somebody else."""

from __future__ import annotations

import dataclasses

from nova_lite import errors
from nova_lite.api.identity.credentials import read_time
from nova_lite.api.identity.delegated import refuse_delegated
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import delegation as views
from nova_lite.api.identity.views.records import role as role_view
from nova_lite.api.route import Answer, Request
from nova_lite.db import delegation as db
from nova_lite.db import identity
from nova_lite.db.engine import Tx
from nova_lite.identity import trusts
from nova_lite.identity.projects import new_id
from nova_lite.model.delegation import Trust
from nova_lite.model.identity import ROOT

WHAT = "trusts"


def _find(request: Request, tx: Tx) -> Trust:
    """Read the trust of the path. Raises: NotFound, before anything else; Forbidden when it is of others."""
    return _allowed(request, trusts.get(tx, request.params["trust_id"]))


def _allowed(request: Request, found: Trust) -> Trust:
    sides = {"trustor_user_id": found.trustor_user_id, "trustee_user_id": found.trustee_user_id}
    request.enforce(target={f"target.trust.{name}": value for name, value in sides.items()})
    refuse_delegated(request, WHAT, but_trusts=True)
    return found


def list_trusts(request: Request) -> Answer:
    """GET /OS-TRUST/trusts: all, or those of a trustor or trustee."""
    asked = exact(request, "trustor_user_id", "trustee_user_id")
    rule = "identity:list_trusts"
    if "trustor_user_id" in asked:
        rule = "identity:list_trusts_for_trustor"
    elif "trustee_user_id" in asked:
        rule = "identity:list_trusts_for_trustee"
    request.enforce(rule, {f"target.trust.{name}": value for name, value in asked.items()})
    refuse_delegated(request, WHAT, but_trusts=True)
    with request.parts.database.read() as tx:
        found = [trust for trust in db.TRUSTS.list_by(tx, **asked) if trusts.is_good(tx, trust)]
    return answer_list(request, "trusts", [views.trust(request, trust) for trust in found])


def show_trust(request: Request) -> Answer:
    """GET /OS-TRUST/trusts/{trust_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"trust": views.whole_trust(request, tx, _find(request, tx))})


def create_trust(request: Request) -> Answer:
    """POST /OS-TRUST/trusts: by the trustor itself; with a token of a trust, one that is no wider than that."""
    body = request.body["trust"]
    request.enforce(target={"target.trust.trustor_user_id": body["trustor_user_id"]})
    claims = refuse_delegated(request, WHAT, but_trusts=True)
    if request.context.user_id != body["trustor_user_id"]:
        raise errors.Forbidden("The authenticated user should match the trustor")
    if body.get("project_id") and not body.get("roles"):
        raise errors.Forbidden("At least one role should be specified")
    order = Trust(
        id=new_id(),
        trustor_user_id=body["trustor_user_id"],
        trustee_user_id=body["trustee_user_id"],
        impersonation=body["impersonation"],
        project_id=body.get("project_id"),
        expires_at=read_time(body.get("expires_at")),
        remaining_uses=body.get("remaining_uses"),
    )

    def work(tx: Tx) -> dict[str, object]:
        held = [_role_id(tx, each) for each in body.get("roles") or []]
        made = trusts.create(
            tx,
            dataclasses.replace(order, roles=held),
            redelegate=bool(body.get("allow_redelegation")),
            asked_count=body.get("redelegation_count"),
            parent_id=claims.trust[0] if claims.trust else None,
        )
        return views.whole_trust(request, tx, made)

    return Answer(status=201, body={"trust": request.parts.database.transact(work)})


def _role_id(tx: Tx, body: dict[str, str]) -> str:
    if "id" in body:
        return body["id"]
    found = identity.ROLES.find_by(tx, name=body["name"], domain_id=ROOT)
    if found is None:
        raise errors.NotFound(f"Could not find role: {body['name'][:255]}.")
    return found.id


def delete_trust(request: Request) -> Answer:
    """DELETE /OS-TRUST/trusts/{trust_id}: with those that were made of it.

    One that is used up is found too: its last token ends by this.
    """
    key = request.params["trust_id"]
    request.parts.database.transact(lambda tx: trusts.delete(tx, _allowed(request, db.TRUSTS.get(tx, key)).id))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def list_roles(request: Request) -> Answer:
    """GET /OS-TRUST/trusts/{trust_id}/roles."""
    with request.parts.database.read() as tx:
        found = _find(request, tx)
        held = views.roles_by_id(request, tx, found.roles)
    return Answer(body={"roles": held, "links": views.roles_links(request, found)})


def show_role(request: Request) -> Answer:
    """GET /OS-TRUST/trusts/{trust_id}/roles/{role_id}."""
    with request.parts.database.read() as tx:
        if request.params["role_id"] not in _find(request, tx).roles:
            raise errors.NotFound(f"Could not find role: {request.params['role_id'][:64]}.")
        return Answer(body={"role": role_view(request, identity.ROLES.get(tx, request.params["role_id"]))})
