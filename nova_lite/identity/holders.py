"""Who holds which role where: as it was given, or worked out through groups, inheritance and implied roles."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterator

from nova_lite.db import assignments as db
from nova_lite.db import hierarchy
from nova_lite.db import identity as records
from nova_lite.db.assignments import Places
from nova_lite.db.engine import Tx
from nova_lite.identity.tree import Tree
from nova_lite.model.identity import SYSTEM, Actor, Assignment, Target

Implied = dict[str, list[str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked for: at most one actor and one target; `subtree` adds the projects below the project asked for."""

    role_id: str | None = None
    actor_kind: str | None = None
    actor_id: str | None = None
    target_kind: str | None = None
    target_id: str | None = None
    subtree: bool = False
    inherited: bool | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """A role held, and where that comes from: the assignment as it was given, and the role that implies this one."""

    assignment: Assignment
    source: Assignment
    prior_role_id: str | None = None

    @property
    def is_inherited(self) -> bool:
        """Whether the assignment was given for what is below its target."""
        return self.source.inherited


def as_given(tx: Tx, question: Question) -> list[Held]:
    """List assignments as they were given. Two statements, with `subtree` one more a level."""
    kinds, targets = _asked_targets(tx, question)
    places = Places(kinds=kinds, targets=targets, sources=targets, inherited=question.inherited)
    actors = [(str(question.actor_kind), [question.actor_id])] if question.actor_id else []
    found = db.select(tx, places, actors=actors, role_id=question.role_id)
    return [Held(assignment=each, source=each) for each in found if each.target_kind in kinds]


def worked_out(tx: Tx, question: Question) -> list[Held]:
    """List what users effectively hold. A fixed number of statements, whatever the number of assignments.

    Only global roles count, as in tokens; the system's are left out unless it is asked for. Raises: NotFound for a user or
    project that does not exist.
    """
    if question.actor_kind == Actor.USER:
        records.USERS.get(tx, str(question.actor_id))
    if question.target_kind == Target.PROJECT:
        records.PROJECTS.get(tx, str(question.target_id))
    kinds, targets = _asked_targets(tx, question)
    if question.target_kind is None:
        kinds = (Target.PROJECT, Target.DOMAIN)
    inherited = question.inherited if Target.PROJECT in kinds else False
    places = Places(kinds=kinds, targets=targets, sources=_sources(tx, targets), inherited=inherited)
    actors: list[tuple[str, Collection[str]]] = []
    if question.actor_id:
        actors = [(Actor.USER, [question.actor_id]), (Actor.GROUP, records.group_ids_of(tx, question.actor_id))]
    given = db.select(tx, places, actors=actors)
    spread = _spread(tx, given, None if targets is None else set(targets))
    held = _by_user(tx, spread, question.actor_id)
    return [each for each in _implied(tx, held) if question.role_id in (None, each.assignment.role_id)]


def _asked_targets(tx: Tx, question: Question) -> tuple[Collection[str], list[str] | None]:
    """Give the kinds of targets asked for, and their ids."""
    if question.target_kind is None:
        return tuple(Target), None
    if question.target_kind == Target.SYSTEM:
        return (Target.SYSTEM,), [SYSTEM]
    targets = [str(question.target_id)]
    if question.subtree:
        targets += [each.id for each in hierarchy.subtree(tx, targets[0])]
    return (question.target_kind,), targets


def _sources(tx: Tx, targets: list[str] | None) -> list[str] | None:
    """List from where the targets may inherit roles: what the first one is in, and all of them for those below."""
    if targets is None:
        return None
    top = records.PROJECTS.find(tx, targets[0])
    return targets if top is None else [*targets, *(each.id for each in hierarchy.parents(tx, top))]


def _spread(tx: Tx, given: list[Assignment], wanted: set[str] | None) -> list[Held]:
    """Put inherited assignments on the projects that they hold in; others stay."""
    tree = Tree(hierarchy.places(tx)) if any(each.inherited for each in given) else Tree({})
    found: list[Held] = []
    for each in given:
        if not each.inherited:
            found.append(Held(assignment=each, source=each))
            continue
        for project_id in tree.below(each.target_id):
            if wanted is None or project_id in wanted:
                there = dataclasses.replace(each, target_kind=Target.PROJECT, target_id=project_id)
                found.append(Held(assignment=there, source=each))
    return found


def _by_user(tx: Tx, found: list[Held], user_id: str | None) -> list[Held]:
    """Put the members in the place of groups; of one user only, if asked."""
    groups = {each.assignment.actor_id for each in found if each.assignment.actor_kind == Actor.GROUP}
    members = db.members(tx, groups) if groups else {}
    held: list[Held] = []
    for each in found:
        actor_id = each.assignment.actor_id
        for one in members[actor_id] if each.assignment.actor_kind == Actor.GROUP else [actor_id]:
            if user_id in (None, one):
                by_user = dataclasses.replace(each.assignment, actor_kind=Actor.USER, actor_id=one)
                held.append(dataclasses.replace(each, assignment=by_user))
    return held


def _implied(tx: Tx, held: list[Held]) -> Iterator[Held]:
    """Add implied roles, each with the role that implies it; leave roles of domains out."""
    implied: Implied = defaultdict(list)
    for prior, other in records.implications(tx):
        implied[prior].append(other)
    global_ids = {role.id for role in records.ROLES.list_by(tx, domain_id="")}
    seen: set[Held] = set()
    waiting = list(reversed(held))
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        role_id = each.assignment.role_id
        if role_id in global_ids:
            yield each
        for other in reversed(implied[role_id]):
            further = dataclasses.replace(each.assignment, role_id=other)
            waiting.append(dataclasses.replace(each, assignment=further, prior_role_id=role_id))
