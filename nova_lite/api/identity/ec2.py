"""EC2 key pairs, and tokens for requests that were signed with them."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.identity.delegated import refuse_delegated
from nova_lite.api.identity.lists import answer_list
from nova_lite.api.identity.views import delegation as views
from nova_lite.api.identity.views import tokens
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.identity import signatures, stored_credentials
from nova_lite.identity.stored_credentials import KeyPair

WHAT = "key pairs"


def _user_id(request: Request) -> str:
    user_id = request.params["user_id"]
    request.enforce(target={"user_id": user_id, "target.credential.user_id": user_id})
    refuse_delegated(request, WHAT)
    return user_id


def list_key_pairs(request: Request) -> Answer:
    """GET /users/{user_id}/credentials/OS-EC2."""
    user_id = _user_id(request)
    with request.parts.database.read() as tx:
        found = stored_credentials.list_key_pairs(tx, request.parts.identity.vault, user_id)
    return answer_list(request, "credentials", [views.key_pair(request, pair) for pair in found])


def create_key_pair(request: Request) -> Answer:
    """POST /users/{user_id}/credentials/OS-EC2: for the project `tenant_id`."""
    user_id = _user_id(request)
    vault, project_id = request.parts.identity.vault, request.body["tenant_id"]

    def work(tx: Tx) -> KeyPair:
        return stored_credentials.create_key_pair(tx, vault, user_id, project_id)

    return Answer(status=201, body={"credential": views.key_pair(request, request.parts.database.transact(work))})


def show_key_pair(request: Request) -> Answer:
    """GET /users/{user_id}/credentials/OS-EC2/{credential_id}."""
    user_id = _user_id(request)
    with request.parts.database.read() as tx:
        pair = stored_credentials.get_key_pair(tx, request.parts.identity.vault, request.params["credential_id"])
    if pair.user_id != user_id:
        raise errors.NotFound("EC2 access key not found.")
    return Answer(body={"credential": views.key_pair(request, pair)})


def delete_key_pair(request: Request) -> Answer:
    """DELETE /users/{user_id}/credentials/OS-EC2/{credential_id}."""
    user_id, access = _user_id(request), request.params["credential_id"]
    request.parts.database.transact(lambda tx: stored_credentials.delete_key_pair(tx, user_id, access))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def _signed(request: Request) -> tuple[dict[str, Any], KeyPair]:
    """Find what was signed, under the three names that clients use, and the key pair. Raises: Unauthorized, NotFound."""
    body = next((request.body[name] for name in ("credentials", "credential", "ec2Credentials") if request.body.get(name)), {})
    if "access" not in body:
        raise errors.Unauthorized("EC2 Signature not supplied")
    with request.parts.database.read() as tx:
        return body, stored_credentials.get_key_pair(tx, request.parts.identity.vault, body["access"])


def _answer(request: Request, pair: KeyPair, *, with_token: bool) -> Answer:
    token, claims = request.parts.identity.login.authenticate_signed(pair)
    with request.parts.database.read() as tx:
        view = tokens.show(tx, claims, with_catalog=True)
    return Answer(body=view, headers={"X-Subject-Token": token} if with_token else {})


def create_ec2_token(request: Request) -> Answer:
    """POST /ec2tokens: check a signed request to EC2; the token speaks of the key pair's user and project."""
    body, pair = _signed(request)
    call = signatures.read_call(body)
    signatures.check_ec2(call, pair.secret)
    signatures.check_time(call, request.parts.database.clock.wall())
    return _answer(request, pair, with_token=True)


def create_s3_token(request: Request) -> Answer:
    """POST /s3tokens: check a signed request to S3; who it is from is told, without a token."""
    body, pair = _signed(request)
    if "token" not in body or "signature" not in body:
        raise errors.Unauthorized("EC2 signature not supplied.")
    signatures.check_s3(body["token"], body["signature"], pair.secret)
    return _answer(request, pair, with_token=False)
