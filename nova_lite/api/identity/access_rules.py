"""Access rules that a user's application credentials have."""

from __future__ import annotations

from nova_lite.api.identity.delegated import refuse_for_credentials
from nova_lite.api.identity.lists import answer_list, exact
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.identity import access_rules


def _user_id(request: Request) -> str:
    user_id = request.params["user_id"]
    request.enforce(target={"target.user.id": user_id})
    refuse_for_credentials(request)
    return user_id


def list_rules(request: Request) -> Answer:
    """GET /users/{user_id}/access_rules."""
    user_id = _user_id(request)
    with request.parts.database.read() as tx:
        found = db.ACCESS_RULES.list_by(tx, user_id=user_id, **exact(request, "service", "method", "path"))
    return answer_list(request, "access_rules", [records.access_rule(request, rule) for rule in found])


def show_rule(request: Request) -> Answer:
    """GET /users/{user_id}/access_rules/{access_rule_id}."""
    user_id = _user_id(request)
    with request.parts.database.read() as tx:
        found = access_rules.get(tx, user_id, request.params["access_rule_id"])
    return Answer(body={"access_rule": records.access_rule(request, found)})


def delete_rule(request: Request) -> Answer:
    """DELETE /users/{user_id}/access_rules/{access_rule_id}."""
    user_id = _user_id(request)
    rule_id = request.params["access_rule_id"]
    request.parts.database.transact(lambda tx: access_rules.delete(tx, user_id, rule_id))
    return Answer(status=204)
