"""Users."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.identity.columns import merged, split
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import users
from nova_lite.identity.projects import new_id
from nova_lite.model.identity import DEFAULT_DOMAIN, User

COLUMNS = ("name", "enabled", "domain_id", "default_project_id", "options")


def own_domain(request: Request) -> str:
    """Give the domain in which a caller makes things when none is named."""
    context = request.context
    return context.domain_id or context.project_domain_id or context.user_domain_id or DEFAULT_DOMAIN


def list_users(request: Request) -> Answer:
    """GET /users, with filters."""
    with request.parts.database.read() as tx:
        found = db.USERS.list_by(tx, **exact(request, "name", "domain_id"))
    return answer_list(request, "users", [records.user(request, user) for user in found])


def show_user(request: Request) -> Answer:
    """GET /users/{user_id}."""
    user_id = request.params["user_id"]
    request.enforce(target={"target.user.id": user_id})
    with request.parts.database.read() as tx:
        return Answer(body={"user": records.user(request, db.USERS.get(tx, user_id))})


def create_user(request: Request) -> Answer:
    """POST /users."""
    body = request.body["user"]
    columns, extra = split(body, COLUMNS, apart=("password",))
    database = request.parts.database
    now = database.clock.wall()
    columns.setdefault("domain_id", own_domain(request))
    user = User(id=new_id(), created_at=now, extra=merged({}, extra), **columns, **_password(body, now))
    database.transact(lambda tx: users.create(tx, user))
    return Answer(status=201, body={"user": records.user(request, user)})


def _password(body: dict[str, Any], now: float) -> dict[str, Any]:
    return users.password_columns(body["password"], now) if "password" in body else {}


def update_user(request: Request) -> Answer:
    """PATCH /users/{user_id}."""
    body = request.body["user"]
    user_id = request.params["user_id"]
    columns, extra = split(body, COLUMNS, apart=("password",))
    database = request.parts.database
    columns |= _password(body, database.clock.wall())

    def work(tx: Tx) -> User:
        user = db.USERS.get(tx, user_id)
        if columns.get("domain_id", user.domain_id) != user.domain_id:
            raise errors.BadRequest("A user cannot move to another domain.")
        return users.update(tx, user, columns | {"extra": merged(user.extra, extra)})

    changed = database.transact(work)
    request.parts.identity.tokens.catch_up()
    return Answer(body={"user": records.user(request, changed)})


def delete_user(request: Request) -> Answer:
    """DELETE /users/{user_id}."""
    request.parts.database.transact(lambda tx: users.delete(tx, request.params["user_id"]))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)
