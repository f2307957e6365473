"""Groups and who is in them."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.identity.columns import merged, split
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.users import own_domain
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import users
from nova_lite.identity.projects import new_id
from nova_lite.model.identity import Group

COLUMNS = ("name", "domain_id", "description")


def list_groups(request: Request) -> Answer:
    """GET /groups, with filters."""
    with request.parts.database.read() as tx:
        found = db.GROUPS.list_by(tx, **exact(request, "name", "domain_id"))
    return answer_list(request, "groups", [records.group(request, group) for group in found])


def show_group(request: Request) -> Answer:
    """GET /groups/{group_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"group": records.group(request, db.GROUPS.get(tx, request.params["group_id"]))})


def create_group(request: Request) -> Answer:
    """POST /groups."""
    columns, extra = split(request.body["group"], COLUMNS)
    columns.setdefault("domain_id", own_domain(request))
    group = Group(id=new_id(), extra=merged({}, extra), **columns)
    request.parts.database.transact(lambda tx: users.create_group(tx, group))
    return Answer(status=201, body={"group": records.group(request, group)})


def update_group(request: Request) -> Answer:
    """PATCH /groups/{group_id}."""
    columns, extra = split(request.body["group"], COLUMNS)

    def work(tx: Tx) -> Group:
        group = db.GROUPS.get(tx, request.params["group_id"])
        if columns.get("domain_id", group.domain_id) != group.domain_id:
            raise errors.BadRequest("A group cannot move to another domain.")
        return db.GROUPS.update(tx, group.id, **columns, extra=merged(group.extra, extra))

    return Answer(body={"group": records.group(request, request.parts.database.transact(work))})


def delete_group(request: Request) -> Answer:
    """DELETE /groups/{group_id}."""
    request.parts.database.transact(lambda tx: users.delete_group(tx, request.params["group_id"]))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def list_members(request: Request) -> Answer:
    """GET /groups/{group_id}/users."""
    with request.parts.database.read() as tx:
        group = db.GROUPS.get(tx, request.params["group_id"])
        ids = db.member_ids_of(tx, group.id)
        found = db.USERS.list_by(tx, id=ids) if ids else []
    return answer_list(request, "users", [records.user(request, user) for user in found])


def check_member(request: Request) -> Answer:
    """GET and HEAD /groups/{group_id}/users/{user_id}. Raises: NotFound when the user is not in it."""
    with request.parts.database.read() as tx:
        group = db.GROUPS.get(tx, request.params["group_id"])
        user = db.USERS.get(tx, request.params["user_id"])
        if user.id not in db.member_ids_of(tx, group.id):
            raise errors.NotFound("The user is not in the group.")
    return Answer(status=204)


def add_member(request: Request) -> Answer:
    """PUT /groups/{group_id}/users/{user_id}."""
    params = request.params
    request.parts.database.transact(lambda tx: users.join(tx, params["group_id"], params["user_id"]))
    return Answer(status=204)


def remove_member(request: Request) -> Answer:
    """DELETE /groups/{group_id}/users/{user_id}."""
    params = request.params
    request.parts.database.transact(lambda tx: users.leave(tx, params["group_id"], params["user_id"]))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def list_groups_of_user(request: Request) -> Answer:
    """GET /users/{user_id}/groups."""
    user_id = request.params["user_id"]
    request.enforce(target={"target.user.id": user_id})
    with request.parts.database.read() as tx:
        db.USERS.get(tx, user_id)
        ids = db.group_ids_of(tx, user_id)
        found = db.GROUPS.list_by(tx, id=ids) if ids else []
    return answer_list(request, "groups", [records.group(request, group) for group in found])
