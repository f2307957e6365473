"""Rules of limits: registered ones for everybody, others for a project or domain; the services that read them enforce them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from nova_lite import errors
from nova_lite.db import identity
from nova_lite.db import limits as db
from nova_lite.db.engine import Tx
from nova_lite.model.limits import Limit, RegisteredLimit

MODEL = {
    "name": "flat",
    "description": "Limit enforcement and validation does not take project hierarchy into consideration.",
}


def _check_place(tx: Tx, service_id: str | None, region_id: str | None) -> None:
    """Raises: BadRequest for a service or region that does not exist."""
    if service_id and identity.SERVICES.find(tx, service_id) is None:
        raise errors.BadRequest(f"There is no service {service_id[:64]}: service_id is not valid.")
    if region_id and identity.REGIONS.find(tx, region_id) is None:
        raise errors.BadRequest(f"There is no region {region_id[:255]}: region_id is not valid.")


def register(tx: Tx, asked: Iterable[RegisteredLimit]) -> list[RegisteredLimit]:
    """Add registered limits, all or none. Raises: BadRequest; Conflict for one that exists."""
    made = []
    for one in asked:
        _check_place(tx, one.service_id, one.region_id)
        made.append(db.REGISTERED.insert(tx, one))
    return made


def _check_unused(tx: Tx, registered_id: str) -> None:
    if db.LIMITS.find_by(tx, registered_limit_id=registered_id):
        raise errors.Forbidden(f"Unable to update or delete registered limit {registered_id}: there are limits of it.")


def update_registered(tx: Tx, registered_id: str, changes: dict[str, Any]) -> RegisteredLimit:
    """Change a registered limit. Raises: NotFound; Forbidden while there are limits of it; BadRequest; Conflict."""
    db.REGISTERED.get(tx, registered_id)
    _check_unused(tx, registered_id)
    _check_place(tx, changes.get("service_id"), changes.get("region_id"))
    return db.REGISTERED.update(tx, registered_id, **changes)


def delete_registered(tx: Tx, registered_id: str) -> None:
    """Remove a registered limit. Raises: NotFound; Forbidden while there are limits of it."""
    db.REGISTERED.get(tx, registered_id)
    _check_unused(tx, registered_id)
    db.REGISTERED.delete(tx, registered_id)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LimitOrder:
    """A limit as it is asked for: which registered one it is of is said by service, region and name."""

    id: str
    service_id: str
    resource_name: str
    resource_limit: int
    region_id: str = ""
    project_id: str = ""
    domain_id: str = ""
    description: str | None = None


def create(tx: Tx, asked: Iterable[LimitOrder]) -> list[tuple[Limit, RegisteredLimit]]:
    """Add limits, all or none. Raises: BadRequest; Forbidden without a registered limit; Conflict for one that exists."""
    return [_create(tx, one) for one in asked]


def _create(tx: Tx, one: LimitOrder) -> tuple[Limit, RegisteredLimit]:
    _check_place(tx, one.service_id, one.region_id)
    project_id, domain_id = _whose(tx, one)
    registered = db.REGISTERED.find_by(tx, service_id=one.service_id, region_id=one.region_id, resource_name=one.resource_name)
    if registered is None:
        raise errors.Forbidden("Unable to create a limit that has no corresponding registered limit.")
    limit = Limit(
        id=one.id,
        registered_limit_id=registered.id,
        resource_limit=one.resource_limit,
        project_id=project_id,
        domain_id=domain_id,
        description=one.description,
    )
    return db.LIMITS.insert(tx, limit), registered


def _whose(tx: Tx, one: LimitOrder) -> tuple[str, str]:
    """Give the project and the domain of a limit, one of them empty; a domain may be named as a project."""
    key = one.project_id or one.domain_id
    found = identity.PROJECTS.find(tx, key)
    if found is None or (one.domain_id and not found.is_domain):
        raise errors.BadRequest(f"There is no project or domain {key[:64]}.")
    return ("", key) if found.is_domain else (key, "")


def list_limits(tx: Tx, registered: dict[str, str], equal: dict[str, str]) -> list[tuple[Limit, RegisteredLimit]]:
    """List limits that have these values, with the registered ones, which have those."""
    known = {each.id: each for each in db.REGISTERED.list_by(tx, **registered)}
    found = db.LIMITS.list_by(tx, **equal)
    return [(limit, known[limit.registered_limit_id]) for limit in found if limit.registered_limit_id in known]


def get(tx: Tx, limit_id: str) -> tuple[Limit, RegisteredLimit]:
    """Read a limit with its registered one. Raises: NotFound."""
    limit = db.LIMITS.get(tx, limit_id)
    return limit, db.REGISTERED.get(tx, limit.registered_limit_id)
