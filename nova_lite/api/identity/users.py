"""Users."""

from __future__ import annotations

import datetime
import operator
from collections.abc import Callable
from typing import Any

from nova_lite import errors
from nova_lite.api.identity import targets
from nova_lite.api.identity.columns import check_id, merged, split
from nova_lite.api.identity.lists import answer_list, answer_rows, exact, own_domain_only
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import immutable, roles, users
from nova_lite.identity.projects import new_id
from nova_lite.model.identity import DEFAULT_DOMAIN, User

COLUMNS = ("name", "enabled", "domain_id", "default_project_id", "options")
FEDERATED = ("idp_id", "protocol_id", "unique_id")  # filters on users of other clouds, of whom there are none
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}


def own_domain(request: Request) -> str:
    """Give the domain in which a caller makes things when none is named: that of its token, else the default one."""
    return request.context.domain_id or DEFAULT_DOMAIN


def expires_as_asked(request: Request) -> Callable[[User], bool] | None:
    """Read the filter `password_expires_at=lt:2030-01-31T00:00:00Z`, if there is one; no password that never expires fits.

    Raises: BadRequest.
    """
    text = request.first("password_expires_at")
    if text is None:
        return None
    way, colon, moment = text.partition(":")
    if way[:1].isdigit() or not colon:
        way, moment = "eq", text
    if way not in COMPARE:
        raise errors.BadRequest("The comparison of password_expires_at must be lt, lte, gt, gte, eq or neq.")
    try:
        read = datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError as error:
        raise errors.BadRequest("password_expires_at must be a moment such as 2030-12-31T23:59:59Z.") from error
    limit, compare = read.replace(tzinfo=datetime.UTC).timestamp(), COMPARE[way]
    return lambda user: user.password_expires_at is not None and compare(user.password_expires_at, limit)


def list_users(request: Request) -> Answer:
    """GET /users, with filters; with a token of a domain its users only."""
    request.enforce(target=targets.own_domain(request))
    equal = own_domain_only(request, exact(request, "name", "domain_id"))
    fits = expires_as_asked(request)
    if any(request.first(name) for name in FEDERATED):
        return answer_list(request, "users", ())
    return answer_rows(request, "users", db.USERS, equal, records.user, fits=fits)


def _acted_on(request: Request, tx: Tx) -> User:
    """Read the user of the path, if the caller may act on it. Raises: Forbidden, NotFound."""
    user = db.USERS.find(tx, request.params["user_id"])
    request.enforce(target=targets.of_user(user))
    return user or db.USERS.get(tx, request.params["user_id"])


def show_user(request: Request) -> Answer:
    """GET /users/{user_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"user": records.user(request, _acted_on(request, tx))})


def create_user(request: Request) -> Answer:
    """POST /users."""
    body = request.body["user"]
    columns, extra = split(body, COLUMNS, apart=("password", "federated"))
    columns["domain_id"] = columns.get("domain_id") or own_domain(request)
    request.enforce(target={"target.user.domain_id": columns["domain_id"]})
    columns["options"] = immutable.merged({}, columns.get("options") or {})
    database = request.parts.database
    now = database.clock.wall()
    user = User(
        id=new_id(),
        created_at=now,
        extra=merged({}, extra),
        **columns,
        **_password(request, now, columns["options"]),
    )
    database.transact(lambda tx: users.create(tx, user))
    return Answer(status=201, body={"user": records.user(request, user)})


def _password(request: Request, now: float, options: dict[str, Any]) -> dict[str, Any]:
    body = request.body["user"]
    if "password" not in body:
        return {}
    return users.password_columns(body["password"], now, request.parts.identity.password_rules, options)


def update_user(request: Request) -> Answer:
    """PATCH /users/{user_id}."""
    body = request.body["user"]
    columns, extra = split(body, COLUMNS, apart=("password", "federated"))
    database = request.parts.database
    with database.read() as tx:
        before = _acted_on(request, tx)  # before the hash, which takes a while
    check_id(body, before.id)
    options = immutable.merged(before.options, columns.get("options") or {})
    password = _password(request, database.clock.wall(), options)

    def work(tx: Tx) -> User:
        db.USERS.hold(tx, before.id)
        user = _acted_on(request, tx)
        if columns.get("domain_id", user.domain_id) != user.domain_id:
            raise errors.BadRequest("A user cannot move to another domain.")
        changes = columns | password | {"extra": merged(user.extra, extra)}
        if "options" in columns:
            changes["options"] = immutable.merged(user.options, columns["options"])
        return users.update(tx, user, changes)

    changed = database.transact(work)
    request.parts.identity.tokens.catch_up()
    return Answer(body={"user": records.user(request, changed)})


def delete_user(request: Request) -> Answer:
    """DELETE /users/{user_id}."""
    request.parts.database.transact(lambda tx: users.delete(tx, _acted_on(request, tx).id))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def list_user_projects(request: Request) -> Answer:
    """GET /users/{user_id}/projects: where a user has a role."""
    with request.parts.database.read() as tx:
        user = _acted_on(request, tx)
        found = roles.projects_of(tx, user.id, disabled_too=True)
    equal = exact(request, "name", "domain_id")
    shown = [project for project in found if all(getattr(project, name) == value for name, value in equal.items())]
    return answer_list(request, "projects", [records.project(request, project) for project in shown])
