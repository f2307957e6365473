"""OAuth 1: consumers, what they ask for, and what users gave them."""

from __future__ import annotations

import urllib.parse
from typing import Any

from nova_lite import errors
from nova_lite.api.identity.columns import merged, split
from nova_lite.api.identity.delegated import refuse_delegated
from nova_lite.api.identity.lists import answer_list
from nova_lite.api.identity.views import delegation as views
from nova_lite.api.identity.views.records import role as role_view
from nova_lite.api.identity.views.records import time_text
from nova_lite.api.route import Answer, Request
from nova_lite.db import delegation as db
from nova_lite.db import identity
from nova_lite.db.engine import Tx
from nova_lite.identity import oauth
from nova_lite.model.delegation import AccessToken, Consumer, RequestToken

FORM = "application/x-www-form-urlencoded"


def signed_request(request: Request) -> oauth.SignedRequest | None:
    """Give what a request was signed with by OAuth, or None when it was not."""
    given = oauth.read_header(request.headers.get("AUTHORIZATION", ""))
    if not given:
        return None
    query = tuple((name, value) for name, values in request.query.items() for value in values)
    return oauth.SignedRequest(method=request.method, url=request.url_root + request.path, query=query, oauth=given)


def _signed(request: Request) -> oauth.SignedRequest:
    found = signed_request(request)
    if found is None:
        request.parts.tokens.check(request.headers.get("X-AUTH-TOKEN", ""), request.context.request_id)
        raise errors.BadRequest("The request needs an OAuth header; a token does not take its place.")
    return found


def list_consumers(request: Request) -> Answer:
    """GET /OS-OAUTH1/consumers."""
    with request.parts.database.read() as tx:
        found = db.CONSUMERS.list_by(tx)
    return answer_list(request, "consumers", [views.consumer(request, each) for each in found])


def show_consumer(request: Request) -> Answer:
    """GET /OS-OAUTH1/consumers/{consumer_id}."""
    with request.parts.database.read() as tx:
        found = db.CONSUMERS.get(tx, request.params["consumer_id"])
    return Answer(body={"consumer": views.consumer(request, found)})


def create_consumer(request: Request) -> Answer:
    """POST /OS-OAUTH1/consumers: the secret is shown this once."""
    columns, extra = split(request.body["consumer"], ("description",), apart=("secret",))
    order = Consumer(id="", secret="", extra=extra, **columns)
    vault = request.parts.identity.vault
    made, secret = request.parts.database.transact(lambda tx: oauth.create_consumer(tx, vault, order))
    return Answer(status=201, body={"consumer": views.consumer(request, made) | {"secret": secret}})


def update_consumer(request: Request) -> Answer:
    """PATCH /OS-OAUTH1/consumers/{consumer_id}: not its secret."""
    columns, extra = split(request.body["consumer"], ("description",))

    def work(tx: Tx) -> Consumer:
        found = db.CONSUMERS.get(tx, request.params["consumer_id"])
        return db.CONSUMERS.update(tx, found.id, extra=merged(found.extra, extra), **columns)

    return Answer(body={"consumer": views.consumer(request, request.parts.database.transact(work))})


def delete_consumer(request: Request) -> Answer:
    """DELETE /OS-OAUTH1/consumers/{consumer_id}: what it was given ends."""
    request.parts.database.transact(lambda tx: oauth.delete_consumer(tx, request.params["consumer_id"]))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def _token_answer(token: RequestToken | AccessToken, secret: str) -> Answer:
    fields = {"oauth_token": token.id, "oauth_token_secret": secret, "oauth_expires_at": time_text(token.expires_at) or ""}
    return Answer(status=201, body=urllib.parse.urlencode(fields, safe=":"), content_type=FORM)


def create_request_token(request: Request) -> Answer:
    """POST /OS-OAUTH1/request_token: a consumer asks for access to a project."""
    signed, vault = _signed(request), request.parts.identity.vault
    project_id = request.headers.get("REQUESTED-PROJECT-ID")
    if not project_id:
        raise errors.BadRequest("The header Requested-Project-Id must name a project.")
    token, secret = request.parts.database.transact(lambda tx: oauth.ask(tx, vault, signed, project_id))
    return _token_answer(token, secret)


def create_access_token(request: Request) -> Answer:
    """POST /OS-OAUTH1/access_token: a consumer gets what a user authorized."""
    signed, vault = _signed(request), request.parts.identity.vault
    token, secret = request.parts.database.transact(lambda tx: oauth.exchange(tx, vault, signed))
    return _token_answer(token, secret)


def authorize(request: Request) -> Answer:
    """PUT /OS-OAUTH1/authorize/{request_token_id}: the caller gives some of its roles."""
    refuse_delegated(request, "request tokens")
    asked = [str(role.get("id") or role.get("name")) for role in request.body["roles"]]
    user_id, token_id = str(request.context.user_id), request.params["request_token_id"]
    verifier = request.parts.database.transact(lambda tx: oauth.authorize(tx, token_id, user_id, asked))
    return Answer(body={"token": {"oauth_verifier": verifier}})


def refuse_page(_request: Request) -> Answer:
    """GET /OS-OAUTH1/authorize/{request_token_id}: there is no page here, as in the original. Raises: MethodNotAllowed."""
    raise errors.MethodNotAllowed("A request token is authorized by PUT.", allow="PUT")


def _found(request: Request, tx: Tx) -> AccessToken:
    return oauth.get_access_token(tx, request.params["user_id"], request.params["access_token_id"])


def list_access_tokens(request: Request) -> Answer:
    """GET /users/{user_id}/OS-OAUTH1/access_tokens."""
    refuse_delegated(request, "access tokens")
    with request.parts.database.read() as tx:
        found = db.ACCESS_TOKENS.list_by(tx, authorizing_user_id=request.params["user_id"])
    return answer_list(request, "access_tokens", [views.access_token(request, each) for each in found])


def show_access_token(request: Request) -> Answer:
    """GET /users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"access_token": views.access_token(request, _found(request, tx))})


def delete_access_token(request: Request) -> Answer:
    """DELETE /users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}: tokens made with it end."""
    user_id, token_id = request.params["user_id"], request.params["access_token_id"]
    request.parts.database.transact(lambda tx: oauth.delete_access_token(tx, user_id, token_id))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def list_roles(request: Request) -> Answer:
    """GET /users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles."""
    with request.parts.database.read() as tx:
        held: list[dict[str, Any]] = views.roles_by_id(request, tx, _found(request, tx).roles)
    return answer_list(request, "roles", held)


def show_role(request: Request) -> Answer:
    """GET /users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}."""
    with request.parts.database.read() as tx:
        if request.params["role_id"] not in _found(request, tx).roles:
            raise errors.NotFound(f"Could not find role: {request.params['role_id'][:64]}.")
        return Answer(body={"role": role_view(request, identity.ROLES.get(tx, request.params["role_id"]))})
