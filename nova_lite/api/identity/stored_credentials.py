"""Credentials that users keep here: EC2 key pairs, seeds of TOTP, certificates, and others."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.identity.delegated import refuse_delegated
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import delegation as views
from nova_lite.api.route import Answer, Request
from nova_lite.db import delegation as db
from nova_lite.db.engine import Tx
from nova_lite.identity import stored_credentials
from nova_lite.model.delegation import StoredCredential

WHAT = "credentials"


def _target(user_id: str) -> dict[str, str]:
    return {"target.credential.user_id": user_id}


def _find(request: Request, tx: Tx) -> StoredCredential:
    """Read the credential of the path. Raises: Forbidden when it is another's; NotFound, to those who may know."""
    found = db.CREDENTIALS.find(tx, request.params["credential_id"])
    request.enforce(target=_target(found.user_id if found else ""))
    refuse_delegated(request, WHAT)
    return db.CREDENTIALS.get(tx, request.params["credential_id"])


def list_credentials(request: Request) -> Answer:
    """GET /credentials: one's own; to those who may, everybody's."""
    refuse_delegated(request, WHAT)
    vault = request.parts.identity.vault
    with request.parts.database.read() as tx:
        found = db.CREDENTIALS.list_by(tx, **exact(request, "user_id", "type"))
    seen = [each for each in found if request.may("identity:get_credential", _target(each.user_id))]
    shown = [views.credential(request, stored_credentials.opened(vault, each)) for each in seen]
    return answer_list(request, "credentials", shown)


def show_credential(request: Request) -> Answer:
    """GET /credentials/{credential_id}."""
    with request.parts.database.read() as tx:
        found = stored_credentials.opened(request.parts.identity.vault, _find(request, tx))
    return Answer(body={"credential": views.credential(request, found)})


def create_credential(request: Request) -> Answer:
    """POST /credentials."""
    body = request.body["credential"]
    user_id = body["user_id"]
    request.enforce(target=_target(user_id))
    refuse_delegated(request, WHAT)
    if body["type"].lower() == stored_credentials.EC2 and not body.get("project_id"):
        raise errors.BadRequest("A key pair needs a project_id.")
    asked = StoredCredential(id="", user_id=user_id, project_id=body.get("project_id"), type=body["type"], blob=body["blob"])
    vault = request.parts.identity.vault
    made = request.parts.database.transact(lambda tx: stored_credentials.create(tx, vault, asked))
    return Answer(status=201, body={"credential": views.credential(request, made)})


def update_credential(request: Request) -> Answer:
    """PATCH /credentials/{credential_id}: another blob; the rest stays as it is."""
    body = request.body["credential"]

    def work(tx: Tx) -> StoredCredential:
        found = _find(request, tx)
        for name in ("type", "user_id", "project_id"):
            if name in body and body[name] != getattr(found, name):
                raise errors.BadRequest(f"{name} can not be updated for credential")
        vault = request.parts.identity.vault
        if "blob" not in body:
            return stored_credentials.opened(vault, found)
        return stored_credentials.update(tx, vault, found.id, body["blob"])

    changed = request.parts.database.transact(work)
    request.parts.identity.tokens.catch_up()
    return Answer(body={"credential": views.credential(request, changed)})


def delete_credential(request: Request) -> Answer:
    """DELETE /credentials/{credential_id}."""
    request.parts.database.transact(lambda tx: stored_credentials.delete(tx, _find(request, tx).id))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)
