"""`nova-lite policy`: the rules in force, and who may do what by them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nova_lite import errors
from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, show_json, show_rows

if TYPE_CHECKING:
    from nova_lite.api.route import Route
    from nova_lite.context import Context
    from nova_lite.db.engine import Tx
    from nova_lite.identity.policy import Policy
    from nova_lite.model.identity import Project, User

REFUSED = 3  # exit code: what was asked about is not allowed


@click.group()
def command() -> None:
    """Who may do what: list, check."""


def _policy(installation: Installation) -> Policy:
    from nova_lite.identity.policy import Policy

    return Policy(policy_file=Path(installation.identity.policy_file))


@command.command("list")
@click.argument("words", required=False, default="")
@click.option("--overridden", is_flag=True, help="Only rules that the policy file replaces.")
@json_option
@click.pass_obj
def list_rules(files: tuple[Path, ...], words: str, overridden: bool, as_json: bool) -> None:
    """List the rules whose name has WORDS in it, each with its default and what replaces it."""
    policy = _policy(Installation(files))
    own = {rule.name: rule for rule in policy.defaults}
    rows: list[tuple[Any, ...]] = []
    for name in sorted(set(own) | set(policy.overridden)):
        replaced = policy.overridden.get(name)
        if words not in name or (overridden and replaced is None):
            continue
        rule = own.get(name)
        operations = getattr(rule, "operations", None) or ()
        asked = ", ".join(f"{_methods(each['method'])} {each['path']}" for each in operations)
        rows.append((name, rule.check_str if rule else None, replaced, asked or getattr(rule, "description", None)))
    show_rows("Rules", ("Rule", "Default", "Replaced by", "For"), rows, as_json=as_json)


def _methods(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "/".join(value)


@command.command()
@click.argument("user")
@click.argument("asked", nargs=-1, required=True, metavar="RULE | METHOD PATH [ACTION]")
@click.option("--project", help="The token is for this project (id or name).")
@click.option("--domain", help="The token is for this domain (id or name).")
@click.option("--system", is_flag=True, help="The token is for the whole system.")
@click.option("--of", "owner", metavar="PROJECT", help="What is asked for belongs to this project; otherwise to the asker's.")
@click.option("--user-domain", default="default", show_default=True, help="The domain of USER (id or name).")
@json_option
@click.pass_context
def check(ctx: click.Context, /, user: str, asked: tuple[str, ...], as_json: bool, **scope: Any) -> None:
    """Tell whether USER (id or name) may do what RULE or METHOD PATH stands for, and what decides it.

    Exits with 3 when it may not. For example: `nova-lite policy check demo --project demo POST /compute/v2.1/servers`
    """
    from nova_lite.api.route import own_target

    installation = Installation(ctx.obj)
    route = None if len(asked) == 1 else _find_route(asked)
    rule = asked[0] if len(asked) == 1 else route.rule if route else None
    with installation.database.read() as tx:
        context, owner_id = _caller(tx, user, **scope)
    target = own_target(context)
    if owner_id is not None:
        target |= {"project_id": owner_id, "target.project.id": owner_id, "user_id": "", "target.user.id": ""}
    if rule is None:
        _show(as_json, allowed=True, rule=None, check=_without_rule(route), roles=sorted(context.roles))
        return
    decision = _policy(installation).decide(rule, context, target)
    _show(as_json, allowed=decision.allowed, rule=rule, by=decision.rule, check=decision.check, roles=sorted(context.roles))
    if not decision.allowed:
        ctx.exit(REFUSED)


def _without_rule(route: Route | None) -> str:
    if route is not None and not route.token:
        return "no token is needed"
    return "no rule is asked at the door: any valid token, and what the handler itself looks at"


def _show(as_json: bool, /, **said: Any) -> None:
    if as_json:
        show_json(said)
        return
    click.echo("yes" if said["allowed"] else "no")
    if said["rule"] is not None:
        click.echo(f"rule   {said['rule']}" + ("" if said["by"] == said["rule"] else f", by {said['by']}"))
    click.echo(f"check  {said['check']}")
    click.echo(f"roles  {', '.join(said['roles']) or 'none in this scope'}")


def _find_route(asked: tuple[str, ...]) -> Route:
    """Find a route by its method and path, with the service's root or without it. Raises: NotFound."""
    from nova_lite.api.services import load

    method, path = asked[0].upper(), asked[1].partition("?")[0].rstrip("/")
    action = asked[2] if len(asked) > 2 else None
    for service in load():
        for route in service.routes:
            paths = (service.root + route.path, service.root.removeprefix(service.prefix) + route.path, route.path)
            if route.method == method and route.action == action and any(_fits(each, path) for each in paths):
                return route
    raise errors.NotFound(f"There is no route {' '.join(asked)}; an action is a third word: POST .../action os-stop.")


def _fits(pattern: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(pattern)), path) is not None


def _caller(
    tx: Tx, name: str, *, project: str | None, domain: str | None, system: bool, owner: str | None, user_domain: str
) -> tuple[Context, str | None]:
    """Give the context that a login would have, and the id of the owner asked for. Raises: NotFound, BadRequest."""
    from nova_lite.context import Context
    from nova_lite.identity import roles
    from nova_lite.model.identity import Target

    if sum((project is not None, domain is not None, system)) > 1:
        raise errors.BadRequest("A token has one scope: --project, --domain or --system.")
    found = _user(tx, name, _project(tx, user_domain, is_domain=True).id)
    kind, place = None, None
    if system:
        kind = Target.SYSTEM
    elif domain is not None:
        kind, place = Target.DOMAIN, _project(tx, domain, is_domain=True)
    elif project is not None:
        kind, place = Target.PROJECT, _project(tx, project, is_domain=False)
    held = roles.effective(tx, found.id, kind, place) if kind else []
    in_project = place if kind is Target.PROJECT else None
    context = Context(
        request_id="policy check",
        user_id=found.id,
        user_name=found.name,
        user_domain_id=found.domain_id,
        project_id=in_project.id if in_project else None,
        project_domain_id=in_project.domain_id if in_project else None,
        domain_id=place.id if place and kind is Target.DOMAIN else None,
        system_scope="all" if system else None,
        roles=frozenset(role.name for role in held),
    )
    return context, None if owner is None else _project(tx, owner, is_domain=False).id


def _user(tx: Tx, name: str, domain_id: str) -> User:
    from nova_lite.db import identity as db

    found = db.USERS.find(tx, name) or db.USERS.find_by(tx, name=name, domain_id=domain_id)
    if found is None:
        raise errors.NotFound(f"There is no user {name}.")
    return found


def _project(tx: Tx, name: str, *, is_domain: bool) -> Project:
    """Find a project or domain. Raises: NotFound; BadRequest when several have the name."""
    from nova_lite.db import identity as db

    noun = "domain" if is_domain else "project"
    by_id = db.PROJECTS.find(tx, name)
    found = [by_id] if by_id is not None and by_id.is_domain == is_domain else []
    found = found or db.PROJECTS.list_by(tx, name=name, is_domain=is_domain)
    if not found:
        raise errors.NotFound(f"There is no {noun} {name}.")
    if len(found) > 1:
        raise errors.BadRequest(f"Several projects are named {name}: {', '.join(each.id for each in found)}.")
    return found[0]
