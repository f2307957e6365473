"""What of the requests goes into the audit log: logins, changes in Identity, and refusals of what only admins may do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api.faults import translate
from nova_lite.api.idempotency import REPLAYED
from nova_lite.api.parts import Parts
from nova_lite.api.route import Answer, Request, Route
from nova_lite.identity.audit import FAILURE, SUCCESS, Event, Initiator

LOGIN = "POST /auth/tokens"
CHANGES = ("POST", "PUT", "PATCH", "DELETE")
REFUSED = (401, 403)
_VERBS = {"POST": "created", "PUT": "created", "PATCH": "updated", "DELETE": "deleted"}
_FIELD = re.compile(r"\{([a-z_0-9]+)\}")
# Routes whose last word is not what they change.
_SPECIAL = {
    "DELETE /auth/tokens": ("revoked.token", "token"),
    "POST /users/{user_id}/password": ("updated.password", "user"),
}


def address_of(request: Request) -> str:
    """Give the client's address; behind a proxy on this machine, what the proxy says."""
    peer = request.raw.remote_addr or ""
    if peer in ("127.0.0.1", "::1"):
        forwarded = request.headers.get("X-FORWARDED-FOR", "").rpartition(",")[2].strip()
        return forwarded[:64] or peer
    return peer


def done(service: str, request: Request, answer: Answer) -> None:
    """Write down a request that was answered, if it is one that matters."""
    if service != "identity" or request.method not in CHANGES or REPLAYED in answer.headers:
        return
    if answer.status in REFUSED:  # as a login that needs one more factor
        event = _event(request, FAILURE, None, status=answer.status)
    else:
        event = _event(request, SUCCESS, answer.body)
    request.parts.audit.write(event)


def refused(service: str, request: Request, error: BaseException) -> None:
    """Write down a request that was refused, if it is one that matters."""
    status = translate(error).status
    if status not in REFUSED:
        return
    changes_identity = service == "identity" and request.method in CHANGES
    if changes_identity or _is_for_admins(request.parts, request.route, error):
        event = _event(request, FAILURE, None, status=status, reason=request.route.rule)
        request.parts.audit.write(event)


def _is_for_admins(parts: Parts, route: Route, error: BaseException) -> bool:
    return isinstance(error, errors.Forbidden) and route.rule is not None and parts.policy.is_for_admins(route.rule)


def _event(request: Request, outcome: str, body: Any, **more: Any) -> Event:
    route = f"{request.route.method} {request.route.path}"
    if route == LOGIN:
        action, kind = "authenticate", "account/user"
    else:
        action, kind = _SPECIAL.get(route) or _action(request.route)
    initiator = _who(request, route, body)
    target = initiator.id if route == LOGIN else request.params.get(_last_field(request.route)) or _made(body)
    attached = {name: value for name, value in request.params.items() if value != target}
    return Event(
        action=action, outcome=outcome, initiator=initiator, target_kind=kind, target_id=target, attached=attached, **more
    )


def _action(route: Route) -> tuple[str, str]:
    """Name what a route does: `created.user`; giving a role is `created.role_assignment`."""
    words = [word for word in route.path.split("/") if word and not word.startswith("{")]
    noun = re.sub("ies$", "y", words[-1]).removesuffix("s").replace("-", "_")
    owned = len(words) > 1
    if owned and noun == "role" and words[0] in ("projects", "domains", "system", "OS-INHERIT"):
        noun = "role_assignment"
    if words[:2] == ["groups", "users"]:
        noun = "group_member"
    if route.action is not None:
        return f"{route.action}.{noun}", noun
    return f"{_VERBS.get(route.method, 'read')}.{noun}", noun


def _last_field(route: Route) -> str:
    fields = _FIELD.findall(route.path)
    return fields[-1] if fields else ""


def _made(body: Any) -> str | None:
    """Give the id of what an answer shows."""
    if not isinstance(body, Mapping) or len(body) != 1:
        return None
    inner = next(iter(body.values()))
    found = inner.get("id") if isinstance(inner, Mapping) else None
    return found if isinstance(found, str) else None


def _who(request: Request, route: str, body: Any) -> Initiator:
    context = request.context
    said = {"address": address_of(request), "request_id": context.request_id}
    if route == LOGIN and body is not None:
        user = body["token"]["user"]
        project = body["token"].get("project", {}).get("id")
        return Initiator(id=user["id"], name=user["name"], domain_id=user["domain"]["id"], project_id=project, **said)
    if context.user_id is None:
        return Initiator(**_named(request.body), **said)
    return Initiator(
        id=context.user_id,
        name=context.user_name,
        project_id=context.project_id,
        domain_id=context.user_domain_id,
        **said,
    )


def _named(body: Any) -> dict[str, str]:
    """Give the user that a login names; what is not where it should be is left out."""
    found = body
    for step in ("auth", "identity", "password", "user"):
        found = found.get(step) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    domain = found.get("domain")
    said = {
        "name": found.get("name") or found.get("id"),
        "domain_id": domain.get("id") if isinstance(domain, Mapping) else None,
    }
    return {name: value for name, value in said.items() if isinstance(value, str)}
