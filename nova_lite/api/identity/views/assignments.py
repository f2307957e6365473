"""How role assignments look on the wire."""

from __future__ import annotations

from typing import Any

from nova_lite.api.identity.views import records
from nova_lite.api.route import Request
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.model.identity import Actor, Assignment, Target

_PATHS = {Target.PROJECT: "/projects/{}", Target.DOMAIN: "/domains/{}", Target.SYSTEM: "/system"}


class Names:
    """Names of what assignments speak of, read once each."""

    def __init__(self, tx: Tx) -> None:
        """Reads as it is asked."""
        self._tx = tx
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    def of(self, kind: str, key: str) -> dict[str, Any]:
        """Give the name, with its domain, of a user, group, role, project or domain."""
        if (kind, key) not in self._known:
            self._known[(kind, key)] = self._read(kind, key)
        return self._known[(kind, key)]

    def _read(self, kind: str, key: str) -> dict[str, Any]:
        rows: Any = {"user": db.USERS, "group": db.GROUPS, "role": db.ROLES}.get(kind, db.PROJECTS)
        found = rows.find(self._tx, key)
        if found is None:
            return {}
        named: dict[str, Any] = {"name": found.name}
        if kind != "domain" and found.domain_id:
            domain = self.of("domain", found.domain_id)
            named["domain"] = {"id": found.domain_id, "name": domain.get("name", found.domain_id)}
        return named


def show(request: Request, each: Assignment, names: Names | None) -> dict[str, Any]:
    """Show an assignment, with names when they are given."""

    def thing(kind: str, key: str) -> dict[str, Any]:
        return {"id": key} | (names.of(kind, key) if names else {})

    target = Target(each.target_kind)
    scope = {"system": {"all": True}} if target == Target.SYSTEM else {str(target): thing(target, each.target_id)}
    if each.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"  # type: ignore[assignment]
    actors = "users" if each.actor_kind == Actor.USER else "groups"
    path = f"{_PATHS[target].format(each.target_id)}/{actors}/{each.actor_id}/roles/{each.role_id}"
    return {
        "role": thing("role", each.role_id),
        str(each.actor_kind): thing(each.actor_kind, each.actor_id),
        "scope": scope,
        "links": {"assignment": records.links(request, path)["self"]},
    }
