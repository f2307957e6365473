"""How role assignments look on the wire."""

from __future__ import annotations

from typing import Any

from nova_lite.api.identity.views import records
from nova_lite.api.route import Request
from nova_lite.db import hierarchy
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity.holders import Held
from nova_lite.model.identity import Actor, Assignment, Target

_PATHS = {Target.PROJECT: "/projects/{}", Target.DOMAIN: "/domains/{}", Target.SYSTEM: "/system"}
_NAMELESS = {"name": "", "domain": {"id": "", "name": ""}}
Names = dict[tuple[str, str], dict[str, Any]]


def read_names(tx: Tx, found: list[Held]) -> Names:
    """Read the names, with their domains, of all that assignments speak of. A fixed number of statements for 500 of each."""
    ids: dict[str, set[str]] = {"user": set(), "group": set(), "role": set(), "place": set()}
    for each in found:
        held = each.assignment
        ids[str(held.actor_kind)].add(held.actor_id)
        ids["role"].add(held.role_id)
        ids["place"].add(held.target_id)
    rows: dict[str, Any] = {"user": db.USERS, "group": db.GROUPS, "role": db.ROLES, "place": db.PROJECTS}
    found_of = {kind: [one for part in hierarchy.chunks(ids[kind]) for one in rows[kind].list_by(tx, id=part)] for kind in ids}
    domain_ids = {one.domain_id for every in found_of.values() for one in every if one.domain_id}
    domains = {each.id: each.name for part in hierarchy.chunks(domain_ids) for each in db.PROJECTS.list_by(tx, id=part)}
    names: Names = {}
    for kind, every in found_of.items():
        for one in every:
            named: dict[str, Any] = {"name": one.name}
            if one.domain_id:
                named["domain"] = {"id": one.domain_id, "name": domains.get(one.domain_id, one.domain_id)}
            names[(kind, one.id)] = named
    return names


def _link(request: Request, each: Held) -> str:
    """Give the address of the assignment that this comes from."""
    source = each.source
    actors = "users" if source.actor_kind == Actor.USER else "groups"
    place = _PATHS[Target(source.target_kind)].format(source.target_id)
    path = f"{place}/{actors}/{source.actor_id}/roles/{each.prior_role_id or each.assignment.role_id}"
    if source.inherited:
        path = f"/OS-INHERIT{path}/inherited_to_projects"
    return records.links(request, path)["self"]


def _scope(each: Held, names: Names | None) -> dict[str, Any]:
    one = each.assignment
    scope: dict[str, Any]
    if one.target_kind == Target.SYSTEM:
        scope = {"system": {"all": True}}
    else:
        scope = {str(one.target_kind): {"id": one.target_id} | (names.get(("place", one.target_id), {}) if names else {})}
    return scope | ({"OS-INHERIT:inherited_to": "projects"} if each.is_inherited else {})


def _links(request: Request, each: Held) -> dict[str, str]:
    found = {"assignment": _link(request, each)}
    one: Assignment = each.assignment
    if each.source.actor_kind == Actor.GROUP and one.actor_kind == Actor.USER:
        found["membership"] = records.links(request, f"/groups/{each.source.actor_id}/users/{one.actor_id}")["self"]
    if each.prior_role_id is not None:  # Keystone names the two in this order
        path = f"/prior_role/{one.role_id}/implies/{each.prior_role_id}"
        found["prior_role"] = records.links(request, path)["self"]
    return found


def show(request: Request, each: Held, names: Names | None) -> dict[str, Any]:
    """Show an assignment, with names when they are given."""
    one = each.assignment
    kind = str(one.actor_kind)
    return {
        "role": {"id": one.role_id} | (names.get(("role", one.role_id), {}) if names else {}),
        kind: {"id": one.actor_id} | (names.get((kind, one.actor_id), _NAMELESS) if names is not None else {}),
        "scope": _scope(each, names),
        "links": _links(request, each),
    }
