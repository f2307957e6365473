"""Key pairs: a user's, whatever project the token is for."""

from __future__ import annotations

import re
from typing import Any

from nova_lite import errors
from nova_lite.api import pages
from nova_lite.api.compute.views import keypairs as views
from nova_lite.api.microversion import ByVersion
from nova_lite.api.pages import Page
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.quota import usage
from nova_lite.servers import keypairs, keys
from nova_lite.servers.keypairs import Keypair

CREATED = ByVersion({"2.1": 200, "2.2": 201})
DELETED = ByVersion({"2.1": 202, "2.2": 204})
OF_OTHERS = ByVersion({"2.1": False, "2.10": True})  # admins name another user
PAGED = ByVersion({"2.1": False, "2.35": True})
NAMES = ByVersion({"2.1": re.compile(r"[a-zA-Z0-9\-_ ]+"), "2.92": re.compile(r"[a-zA-Z0-9\-_ @.]+")})


def _user(request: Request, named: str | None) -> str:
    """Give the user whose key pairs are meant, once the rule allows it."""
    user_id = (named if OF_OTHERS.at(request.version) else None) or request.context.user_id or ""
    request.enforce(target={"user_id": user_id, "project_id": request.context.project_id})
    return user_id


def list_keypairs(request: Request) -> Answer:
    """List by name."""
    user_id = _user(request, request.first("user_id"))
    page = pages.read_page(request) if PAGED.at(request.version) else Page(limit=pages.MAX_LIMIT, marker=None)
    with request.parts.database.read() as tx:
        try:
            found = keypairs.list_page(tx, user_id, marker=page.marker, limit=page.fetch)
        except errors.NotFound as error:
            raise errors.BadRequest(f"marker [{page.marker}] not found") from error
    shown, more = pages.cut(page, found)
    view = views.IN_LIST.at(request.version)
    body: dict[str, Any] = {"keypairs": [{"keypair": view(keypair)} for keypair in shown]}
    if more and PAGED.at(request.version):
        body["keypairs_links"] = pages.next_links(request, "/os-keypairs", shown[-1].name)
    return Answer(body=body)


def show_keypair(request: Request) -> Answer:
    """Show one."""
    user_id = _user(request, request.first("user_id"))
    with request.parts.database.read() as tx:
        keypair = keypairs.get(tx, user_id, request.params["name"])
    return Answer(body={"keypair": views.whole(keypair, views.IN_LIST.at(request.version)(keypair))})


def create_keypair(request: Request) -> Answer:
    """Import a public key, or make a pair and give the private half out once."""
    asked = request.body["keypair"]
    user_id = _user(request, asked.get("user_id"))
    name, kind = asked["name"], asked.get("type", keys.SSH)
    if not NAMES.at(request.version).fullmatch(name):
        raise errors.BadRequest("Keypair data is invalid: Keypair name contains unsafe characters")
    private_key = None
    public_key = asked.get("public_key")
    if public_key is None:
        made = keys.make(kind, user_id, name)
        public_key, private_key, fingerprint = made.public_key, made.private_key, made.fingerprint
    else:
        fingerprint = keys.fingerprint(kind, public_key)
    keypair = Keypair(
        id=keypairs.new_id(),
        user_id=user_id,
        name=name,
        type=kind,
        fingerprint=fingerprint,
        public_key=public_key,
        created_at=request.parts.clock.wall(),
    )

    def work(tx: Tx) -> None:
        limit = usage.limits_of(tx, request.context.project_id or "")["key_pairs"]
        keypairs.add(tx, keypair, limit=limit)

    request.parts.database.transact(work)
    shown = views.IN_LIST.at(request.version)(keypair)
    return Answer(status=CREATED.at(request.version), body={"keypair": views.created(keypair, shown, private_key)})


def delete_keypair(request: Request) -> Answer:
    """Remove one; servers keep their copy of the public half."""
    user_id = _user(request, request.first("user_id"))
    request.parts.database.transact(lambda tx: keypairs.remove(tx, user_id, request.params["name"]))
    return Answer(status=DELETED.at(request.version))
