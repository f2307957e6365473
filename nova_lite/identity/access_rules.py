"""Access rules: the only requests that an application credential may make; each belongs to a user and is kept once."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from nova_lite import errors
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity.path_patterns import pattern
from nova_lite.identity.port import Call
from nova_lite.model.identity import AccessRule

# A token carries its rules, so that checking them takes no look-up; request headers have an end.
LONGEST = 2048
Rules = tuple[tuple[str, str, str], ...]  # (service type, method, path pattern)


def allow(rules: Rules, call: Call | None) -> bool:
    """Tell whether one of the rules speaks of a request; nobody knows what a request without a `call` is for."""
    if call is None:
        return False
    return any(
        service == call.service and method == call.method and pattern(path).matches(call.path)
        for service, method, path in rules
    )


def short(rules: Iterable[AccessRule]) -> Rules:
    """Write rules as tokens carry them."""
    return tuple((rule.service, rule.method, rule.path) for rule in rules)


def keep(tx: Tx, user_id: str, asked: list[dict[str, Any]]) -> list[AccessRule]:
    """Find the rules a credential asks for, by id or by what they say, and add those that are new.

    Raises: NotFound for the id of no rule; BadRequest when they are too long together.
    """
    found = {rule.id: rule for rule in (_kept(tx, user_id, each) for each in asked)}
    if sum(len(text) for rule in short(found.values()) for text in rule) > LONGEST:
        raise errors.BadRequest(f"The access rules of an application credential hold at most {LONGEST} characters together.")
    return list(found.values())


def _kept(tx: Tx, user_id: str, asked: dict[str, Any]) -> AccessRule:
    if "id" in asked:
        return get(tx, user_id, asked["id"])
    said = {name: asked[name] for name in ("service", "method", "path")}
    found = db.ACCESS_RULES.find_by(tx, user_id=user_id, **said)
    return found or db.ACCESS_RULES.insert(tx, AccessRule(id=uuid.uuid4().hex, user_id=user_id, **said))


def get(tx: Tx, user_id: str, rule_id: str) -> AccessRule:
    """Read a user's rule. Raises: NotFound."""
    found = db.ACCESS_RULES.get(tx, rule_id)
    if found.user_id != user_id:
        raise errors.NotFound(f"Could not find access rule: {rule_id[:64]}.")
    return found


def delete(tx: Tx, user_id: str, rule_id: str) -> None:
    """Remove a rule. Raises: NotFound; Forbidden while a credential has it."""
    get(tx, user_id, rule_id)
    for credential in db.CREDENTIALS.list_by(tx, user_id=user_id):
        if any(rule["id"] == rule_id for rule in credential.access_rules or ()):
            raise errors.Forbidden(f"The access rule is used by the application credential {credential.name}.")
    db.ACCESS_RULES.delete(tx, rule_id)
