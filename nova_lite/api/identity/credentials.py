"""Application credentials."""

from __future__ import annotations

import datetime

from nova_lite import errors
from nova_lite.api.identity.delegated import claims_of, refuse_for_credentials
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.identity import credentials
from nova_lite.identity.credentials import CredentialOrder


def _user_id(request: Request, *, change: bool = False) -> str:
    user_id = request.params["user_id"]
    request.enforce(target={"target.user.id": user_id})
    refuse_for_credentials(request, change=change)
    return user_id


def read_time(text: str | None) -> float | None:
    """Read a moment; without a zone it is UTC. Raises: BadRequest."""
    if text is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
        seconds = moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()
        datetime.datetime.fromtimestamp(seconds, datetime.UTC)  # what ends after the year 9999 cannot be shown
        return seconds
    except (ValueError, OverflowError) as error:
        raise errors.BadRequest("expires_at must be a moment such as 2030-12-31T23:59:59.") from error


def list_credentials(request: Request) -> Answer:
    """GET /users/{user_id}/application_credentials."""
    user_id = _user_id(request)
    with request.parts.database.read() as tx:
        found = db.CREDENTIALS.list_by(tx, user_id=user_id, **exact(request, "name"))
        views = [
            records.credential(request, each, held)
            for each, held in zip(found, credentials.roles_given(tx, found), strict=True)
        ]
    return answer_list(request, "application_credentials", views)


def show_credential(request: Request) -> Answer:
    """GET /users/{user_id}/application_credentials/{application_credential_id}."""
    user_id = _user_id(request)
    with request.parts.database.read() as tx:
        found = credentials.get(tx, user_id, request.params["application_credential_id"])
        view = records.credential(request, found, credentials.roles_given(tx, [found])[0])
    return Answer(body={"application_credential": view})


def create_credential(request: Request) -> Answer:
    """POST /users/{user_id}/application_credentials: the secret is shown this once."""
    user_id = _user_id(request, change=True)
    project_id = request.context.project_id
    if project_id is None:
        raise errors.BadRequest("An application credential needs a token of a project.")
    body = request.body["application_credential"]
    asked = body.get("roles")
    order = CredentialOrder(
        user_id=user_id,
        project_id=project_id,
        name=body["name"],
        description=body.get("description"),
        secret=body.get("secret"),
        roles=tuple(role.get("id") or role["name"] for role in asked) if asked else None,
        expires_at=read_time(body.get("expires_at")),
        unrestricted=bool(body.get("unrestricted")),
        access_rules=tuple(body["access_rules"]) if body.get("access_rules") else None,
        within=_bound(request) if asked else request.context.roles,
    )
    record, held, secret = credentials.create(request.parts.database, order)
    view = records.credential(request, record, held) | {"secret": secret}
    return Answer(status=201, body={"application_credential": view})


def _bound(request: Request) -> frozenset[str] | None:
    """Give the roles beyond which none can be named: a credential makes none that is more than itself.

    A user may name any role that it has, also one that it was given after its token was made, as in Keystone.
    """
    return None if claims_of(request).application_credential_id is None else request.context.roles


def delete_credential(request: Request) -> Answer:
    """DELETE /users/{user_id}/application_credentials/{application_credential_id}."""
    user_id = _user_id(request, change=True)
    credential_id = request.params["application_credential_id"]
    request.parts.database.transact(lambda tx: credentials.delete(tx, user_id, credential_id))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)
