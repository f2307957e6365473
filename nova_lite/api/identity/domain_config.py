"""Configurations of single domains, what holds without one, and what is demanded of passwords."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.route import Answer, Request
from nova_lite.identity import domain_config, projects
from nova_lite.model.identity import DEFAULT_DOMAIN

SECURITY = "security_compliance"
SECURITY_RULE = "identity:get_security_compliance_domain_config"


def _place(request: Request) -> tuple[str | None, str | None]:
    """Give the group and option of the path."""
    return request.params.get("group"), request.params.get("option")


def show_config(request: Request) -> Answer:
    """GET /domains/{domain_id}/config, of a group or an option; security_compliance is everybody's to read."""
    group, option = _place(request)
    if group == SECURITY:
        return _show_security(request, option)
    request.enforce()
    with request.parts.database.read() as tx:
        shown = domain_config.show(tx, request.parts.identity.vault, request.params["domain_id"], group, option)
    return Answer(body={"config": shown})


def _show_security(request: Request, option: str | None) -> Answer:
    request.enforce(SECURITY_RULE)
    with request.parts.database.read() as tx:
        domain = projects.get_domain(tx, request.params["domain_id"])
    if domain.id != DEFAULT_DOMAIN:
        raise errors.Forbidden("Invalid domain specific configuration: passwords have the same rules in all domains.")
    options = request.parts.identity.options
    shown: dict[str, Any] = {
        "password_regex": options.password_pattern or None,
        "password_regex_description": options.password_description or None,
    }
    if option is None:
        return Answer(body={"config": {SECURITY: shown}})
    if option not in shown:
        raise errors.Forbidden(f"Invalid domain specific configuration: option {option[:64]} is not shown.")
    return Answer(body={"config": {option: shown[option]}})


def replace_config(request: Request) -> Answer:
    """PUT /domains/{domain_id}/config."""
    vault, domain_id = request.parts.identity.vault, request.params["domain_id"]
    shown, new = request.parts.database.transact(lambda tx: domain_config.replace(tx, vault, domain_id, request.body["config"]))
    return Answer(status=201 if new else 200, body={"config": shown})


def update_config(request: Request) -> Answer:
    """PATCH /domains/{domain_id}/config, of a group or an option."""
    vault, domain_id = request.parts.identity.vault, request.params["domain_id"]
    group, option = _place(request)
    shown = request.parts.database.transact(
        lambda tx: domain_config.update(tx, vault, domain_id, request.body["config"], group, option)
    )
    return Answer(body={"config": shown})


def remove_config(request: Request) -> Answer:
    """DELETE /domains/{domain_id}/config, of a group or an option."""
    vault, domain_id = request.parts.identity.vault, request.params["domain_id"]
    request.parts.database.transact(lambda tx: domain_config.remove(tx, vault, domain_id, *_place(request)))
    return Answer(status=204)


def show_default(request: Request) -> Answer:
    """GET /domains/config/default, of a group or an option."""
    return Answer(body={"config": domain_config.show_default(*_place(request))})
