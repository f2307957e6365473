"""Listing who has which role where."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.identity import targets
from nova_lite.api.identity.lists import answer_list, flag
from nova_lite.api.identity.views.assignments import read_names, show
from nova_lite.api.route import Answer, Request
from nova_lite.db import hierarchy
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import holders
from nova_lite.identity.holders import Held, Question
from nova_lite.model.identity import SYSTEM, Actor, Target

INHERITED_TO = "scope.OS-INHERIT:inherited_to"
TREE_RULE = "identity:list_role_assignments_for_tree"


def _question(request: Request) -> Question:
    """Read the filters. Raises: BadRequest for two actors or two scopes, and for what could never find anything."""
    first = request.first
    actors = [(kind, value) for kind in Actor if (value := first(f"{kind}.id"))]
    places = [(kind, value) for kind in (Target.PROJECT, Target.DOMAIN) if (value := first(f"scope.{kind}.id"))]
    system = first("scope.system")
    if len(actors) > 1 or len(places) + bool(system) > 1:
        raise errors.BadRequest("Only one user or group, and one scope, can be asked for at a time.")
    if system == "all":
        places.append((Target.SYSTEM, SYSTEM))
    actor_kind, actor_id = actors[0] if actors else (None, None)
    target_kind, target_id = places[0] if places else (None, None)
    inherited_to = first(INHERITED_TO)
    inherited = None if inherited_to is None else inherited_to == "projects"
    if flag(request, "effective") and (actor_kind == Actor.GROUP or (inherited and target_kind == Target.DOMAIN)):
        raise errors.BadRequest(
            "Effective assignments are users' in projects, on domains or the system: asking for a group's, or for a domain's"
            " inherited ones, would find nothing."
        )
    return Question(
        role_id=first("role.id") or None,
        actor_kind=actor_kind,
        actor_id=actor_id,
        target_kind=target_kind,
        target_id=target_id,
        inherited=inherited,
        subtree=bool(flag(request, "include_subtree")),
    )


def _enforce(request: Request, tx: Tx, question: Question) -> None:
    """Look whether the caller may ask. Raises: Forbidden; BadRequest for a subtree of nothing."""
    if not question.subtree:
        request.enforce(target=targets.own_domain(request))
        return
    project = (
        db.PROJECTS.find(tx, question.target_id) if question.target_kind == Target.PROJECT and question.target_id else None
    )
    request.enforce(TREE_RULE, {"target.domain_id": project.domain_id} if project else {})
    if question.target_kind != Target.PROJECT:
        raise errors.BadRequest("include_subtree needs scope.project.id.")
    if project is None:
        db.PROJECTS.get(tx, str(question.target_id))


def _of_own_domain(request: Request, tx: Tx, found: list[Held]) -> list[Held]:
    """Leave out what is in other domains when the caller's token is of one."""
    own = request.context.domain_id
    if own is None:
        return found
    inside = {own} | {project_id for project_id, (_, domain_id) in hierarchy.places(tx).items() if domain_id == own}
    return [each for each in found if each.assignment.target_id in inside]


def list_role_assignments(request: Request) -> Answer:
    """GET /role_assignments: as given, or `effective`, with groups, inheritance and implied roles worked out."""
    question = _question(request)
    with request.parts.database.read() as tx:
        _enforce(request, tx, question)
        found = holders.worked_out(tx, question) if flag(request, "effective") else holders.as_given(tx, question)
        found = _of_own_domain(request, tx, found)
        names = read_names(tx, found) if flag(request, "include_names") else None
    return answer_list(request, "role_assignments", [show(request, each, names) for each in found], paged=False)
