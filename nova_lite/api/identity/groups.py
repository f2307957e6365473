"""Groups and who is in them."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.identity import targets
from nova_lite.api.identity.columns import check_id, merged, split
from nova_lite.api.identity.lists import answer_list, answer_rows, exact, own_domain_only
from nova_lite.api.identity.users import expires_as_asked, own_domain
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import hierarchy
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import users
from nova_lite.identity.projects import new_id
from nova_lite.model.identity import Group

COLUMNS = ("name", "domain_id", "description")


def _acted_on(request: Request, tx: Tx) -> Group:
    """Read the group of the path, if the caller may act on it and the path's user. Raises: Forbidden, NotFound."""
    group = db.GROUPS.find(tx, request.params["group_id"])
    facts = targets.of_group(group)
    if "user_id" in request.params:
        facts |= targets.of_user(db.USERS.find(tx, request.params["user_id"]))
    request.enforce(target=facts)
    return group or db.GROUPS.get(tx, request.params["group_id"])


def list_groups(request: Request) -> Answer:
    """GET /groups, with filters; with a token of a domain its groups only."""
    request.enforce(target=targets.own_domain(request))
    equal = own_domain_only(request, exact(request, "name", "domain_id"))
    return answer_rows(request, "groups", db.GROUPS, equal, records.group)


def show_group(request: Request) -> Answer:
    """GET /groups/{group_id}."""
    with request.parts.database.read() as tx:
        return Answer(body={"group": records.group(request, _acted_on(request, tx))})


def create_group(request: Request) -> Answer:
    """POST /groups."""
    columns, extra = split(request.body["group"], COLUMNS)
    columns["domain_id"] = columns.get("domain_id") or own_domain(request)
    request.enforce(target={"target.group.domain_id": columns["domain_id"]})
    group = Group(id=new_id(), extra=merged({}, extra), **columns)
    request.parts.database.transact(lambda tx: users.create_group(tx, group))
    return Answer(status=201, body={"group": records.group(request, group)})


def update_group(request: Request) -> Answer:
    """PATCH /groups/{group_id}."""
    body = request.body["group"]
    columns, extra = split(body, COLUMNS)

    def work(tx: Tx) -> Group:
        group = _acted_on(request, tx)
        check_id(body, group.id)
        group = db.GROUPS.hold(tx, group.id)
        if columns.get("domain_id", group.domain_id) != group.domain_id:
            raise errors.BadRequest("A group cannot move to another domain.")
        return db.GROUPS.update(tx, group.id, **columns, extra=merged(group.extra, extra))

    return Answer(body={"group": records.group(request, request.parts.database.transact(work))})


def delete_group(request: Request) -> Answer:
    """DELETE /groups/{group_id}."""
    request.parts.database.transact(lambda tx: users.delete_group(tx, _acted_on(request, tx).id))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def list_members(request: Request) -> Answer:
    """GET /groups/{group_id}/users, with the filters of users."""
    fits = expires_as_asked(request)
    equal: dict[str, Any] = own_domain_only(request, exact(request, "name", "domain_id"))
    with request.parts.database.read() as tx:
        group = _acted_on(request, tx)
        ids = db.member_ids_of(tx, group.id)
        found = [user for part in hierarchy.chunks(ids) for user in db.USERS.list_by(tx, id=part, **equal)]
    found.sort(key=lambda user: (user.name, user.id))
    return answer_list(request, "users", [records.user(request, user) for user in found if fits is None or fits(user)])


def check_member(request: Request) -> Answer:
    """GET and HEAD /groups/{group_id}/users/{user_id}. Raises: NotFound when the user is not in it."""
    with request.parts.database.read() as tx:
        group = _acted_on(request, tx)
        user = db.USERS.get(tx, request.params["user_id"])
        if group.id not in db.group_ids_of(tx, user.id):
            raise errors.NotFound("The user is not in the group.")
    return Answer(status=204)


def add_member(request: Request) -> Answer:
    """PUT /groups/{group_id}/users/{user_id}."""
    user_id = request.params["user_id"]
    request.parts.database.transact(lambda tx: users.join(tx, _acted_on(request, tx).id, user_id))
    return Answer(status=204)


def remove_member(request: Request) -> Answer:
    """DELETE /groups/{group_id}/users/{user_id}."""
    user_id = request.params["user_id"]
    request.parts.database.transact(lambda tx: users.leave(tx, _acted_on(request, tx).id, user_id))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def list_groups_of_user(request: Request) -> Answer:
    """GET /users/{user_id}/groups."""
    user_id = request.params["user_id"]
    equal = own_domain_only(request, exact(request, "name"))
    with request.parts.database.read() as tx:
        request.enforce(target=targets.of_user(db.USERS.find(tx, user_id)))
        db.USERS.get(tx, user_id)
        ids = db.group_ids_of(tx, user_id)
        found = db.GROUPS.list_by(tx, id=ids, **equal) if ids else []
    lasting = {"membership_expires_at": None}  # only memberships of users of other clouds expire
    return answer_list(request, "groups", [records.group(request, group) | lasting for group in found])
