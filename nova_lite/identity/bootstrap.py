"""The first records: a domain, two projects, two users, the roles and the catalog. Safe to repeat."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from nova_lite.db import identity as db
from nova_lite.db.engine import Database, Tx
from nova_lite.identity import passwords, projects, roles, users
from nova_lite.identity.catalog import INTERFACES
from nova_lite.model.identity import (
    DEFAULT_DOMAIN,
    SYSTEM,
    Actor,
    Assignment,
    CatalogEndpoint,
    CatalogService,
    Project,
    Region,
    Role,
    Target,
    User,
)

ROLES = ("admin", "manager", "member", "reader", "service")
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
# type, name, path below the public address
CATALOG = (
    ("identity", "keystone", "/identity"),
    ("compute", "nova", "/compute/v2.1"),
    ("image", "glance", "/image"),
    ("network", "neutron", "/network"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Person:
    """A user made at bootstrap, with the project of the same name and its role there."""

    name: str
    password: str = dataclasses.field(repr=False)
    role: str


def bootstrap(
    database: Database,
    *,
    admin_password: str,
    demo_password: str,
    region: str,
    public_url: str,
    services: Iterable[str] | None = None,
) -> None:
    """Make what is missing; set the two passwords when they differ; point the catalog's endpoints at `public_url`.

    `services` are the types announced, all four by default: announce only what is served.
    """
    people = (
        Person(name="admin", password=admin_password, role="admin"),
        Person(name="demo", password=demo_password, role="member"),
    )
    announced = {kind for kind, _, _ in CATALOG} if services is None else set(services)
    hashes = {person.name: _hash_if_new(database, person) for person in people}

    def work(tx: Tx) -> None:
        _ensure_domain(tx)
        held = _ensure_roles(tx)
        for person in people:
            _ensure_person(tx, person, hashes[person.name], held)
        _ensure_catalog(tx, region, public_url.rstrip("/"), announced)

    database.transact(work)


def _hash_if_new(database: Database, person: Person) -> str | None:
    """Hash a password outside the transaction, unless it is the user's already (a change would end its tokens)."""
    with database.read() as tx:
        user = db.USERS.find_by(tx, name=person.name, domain_id=DEFAULT_DOMAIN)
    if user is not None and passwords.matches(person.password, user.password_hash):
        return None
    return passwords.make_hash(person.password)


def _ensure_domain(tx: Tx) -> None:
    if db.PROJECTS.find(tx, DEFAULT_DOMAIN) is None:
        domain = Project(
            id=DEFAULT_DOMAIN,
            name="Default",
            domain_id="",
            is_domain=True,
            description="The default domain",
            created_at=tx.database.clock.wall(),
        )
        projects.create(tx, domain)


def _ensure_roles(tx: Tx) -> dict[str, Role]:
    held = {}
    for name in ROLES:
        found = db.ROLES.find_by(tx, name=name, domain_id="")
        held[name] = found or roles.create(tx, roles.new_role(name))
    for prior, implied in IMPLIED:
        db.add_implication(tx, held[prior].id, held[implied].id)
    return held


def _ensure_person(tx: Tx, person: Person, password_hash: str | None, held: dict[str, Role]) -> None:
    now = tx.database.clock.wall()
    project = db.PROJECTS.find_by(tx, name=person.name, domain_id=DEFAULT_DOMAIN) or projects.create(
        tx,
        Project(id=projects.new_id(), name=person.name, domain_id=DEFAULT_DOMAIN, parent_id=DEFAULT_DOMAIN, created_at=now),
    )
    user = db.USERS.find_by(tx, name=person.name, domain_id=DEFAULT_DOMAIN)
    columns: dict[str, Any] = {"password_hash": password_hash, "password_created_at": now}
    if user is None:
        user = users.create(
            tx,
            User(id=projects.new_id(), name=person.name, domain_id=DEFAULT_DOMAIN, created_at=now, **columns),
        )
    elif password_hash is not None:
        user = users.update(tx, user, columns)
    targets = [(Target.PROJECT, project.id)]
    if person.role == "admin":
        targets += [(Target.DOMAIN, DEFAULT_DOMAIN), (Target.SYSTEM, SYSTEM)]
    for kind, target_id in targets:
        roles.grant(
            tx,
            Assignment(
                actor_kind=Actor.USER,
                actor_id=user.id,
                target_kind=kind,
                target_id=target_id,
                role_id=held[person.role].id,
            ),
        )


def _ensure_catalog(tx: Tx, region: str, base: str, announced: set[str]) -> None:
    if db.REGIONS.find(tx, region) is None:
        db.REGIONS.insert(tx, Region(id=region))
    for kind, name, path in CATALOG:
        if kind not in announced:
            continue
        service = db.SERVICES.find_by(tx, type=kind) or db.SERVICES.insert(
            tx, CatalogService(id=projects.new_id(), type=kind, name=name)
        )
        for interface in INTERFACES:
            _ensure_endpoint(tx, service.id, interface, region, base + path)


def _ensure_endpoint(tx: Tx, service_id: str, interface: str, region: str, url: str) -> None:
    found = db.ENDPOINTS.find_by(tx, service_id=service_id, interface=interface, region_id=region)
    if found is None:
        endpoint = CatalogEndpoint(id=projects.new_id(), service_id=service_id, interface=interface, url=url, region_id=region)
        db.ENDPOINTS.insert(tx, endpoint)
    elif found.url != url:
        db.ENDPOINTS.update(tx, found.id, url=url)
