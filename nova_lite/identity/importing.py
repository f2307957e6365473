"""Takes over what a Keystone knows. What is here already stays as it is, so it may be repeated.

Ids are kept. Roles, access rules and registered limits are the exception where one that says the same is here: it is the same
one, and what speaks of the other speaks of ours. Whatever else has a name that is taken is a conflict: told, left alone, and so
is all that needs it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from nova_lite import errors
from nova_lite.db import delegation
from nova_lite.db import identity as db
from nova_lite.db import limits as limits_db
from nova_lite.db.engine import Database, Tx
from nova_lite.identity import imported_hashes, stored_credentials
from nova_lite.identity.access_rules import LONGEST
from nova_lite.identity.vault import Vault
from nova_lite.model.delegation import StoredCredential
from nova_lite.model.identity import ROOT, SYSTEM, AccessRule, Actor, ApplicationCredential, Assignment, Target, User
from nova_lite.model.imported import Records
from nova_lite.model.limits import Limit, RegisteredLimit

KINDS = (
    *("domains", "projects", "roles", "implied roles", "users", "groups", "memberships", "assignments"),
    *("access rules", "application credentials", "credentials", "regions", "services", "endpoints"),
    *("registered limits", "limits"),
)


@dataclasses.dataclass
class Count:
    """What became of the records of one kind."""

    added: int = 0
    there: int = 0
    left: int = 0


@dataclasses.dataclass
class Report:
    """What was done, or would be; `left` says why of all that was left alone."""

    counts: dict[str, Count] = dataclasses.field(default_factory=lambda: {kind: Count() for kind in KINDS})
    left: list[str] = dataclasses.field(default_factory=list)

    @property
    def added(self) -> int:
        """Give how many records were added."""
        return sum(count.added for count in self.counts.values())

    def leave(self, kind: str, why: str) -> None:
        """Note something that is not taken over."""
        self.counts[kind].left += 1
        self.left.append(why)


class _Rehearsed(Exception):
    """Everything was tried, and is to be taken back."""


def run(database: Database, records: Records, vault: Vault, *, dry_run: bool) -> Report:
    """Add what is missing, all of it or nothing; on a dry run nothing. Give the report, the same in both.

    `vault` seals what users keep here.
    """
    reports: list[Report] = []

    def work(tx: Tx) -> Report:
        report = Report(left=list(records.left))
        _Import(tx, records, report, vault).run()
        if dry_run:
            reports.append(report)
            raise _Rehearsed
        return report

    try:
        return database.transact(work)
    except _Rehearsed:
        return reports[-1]


class _Import:
    """One import, in one transaction."""

    def __init__(self, tx: Tx, records: Records, report: Report, vault: Vault) -> None:
        self._tx = tx
        self._records = records
        self._report = report
        self._vault = vault
        self._role_ids: dict[str, str] = {}  # there -> here
        self._known: dict[str, set[str]] = {}  # of each noun the ids that may be spoken of

    def run(self) -> None:
        """Add kind after kind, in an order in which each finds what it speaks of."""
        self._projects()
        self._roles()
        self._users()
        self._groups()
        self._members()
        self._assignments()
        self._application_credentials()
        self._stored_credentials()
        self._catalog()
        self._limits()

    def _add(
        self,
        kind: str,
        rows: db.Rows[Any],
        items: Iterable[Any],
        *,
        name: Callable[[Any], Any],
        why: Callable[[Any, set[str]], str | None],
        ready: Callable[[Any], Any] = lambda item: item,
    ) -> set[str]:
        """Add the items that are not here by id; give the ids that are here afterwards.

        name: what must be unique besides the id
        why: says what speaks against an item, or nothing
        ready: makes of an item what is written
        """
        held = rows.list_by(self._tx)
        ids = {one.id for one in held}
        names = {name(one): one.id for one in held}
        for item in items:
            noun = f"{rows.noun.capitalize()} {getattr(item, 'name', '') or item.id} ({item.id})"
            if item.id in ids:
                self._report.counts[kind].there += 1
            elif name(item) in names:
                self._report.leave(kind, f"{noun}: the name is taken here by {names[name(item)]}.")
            elif reason := why(item, ids):
                self._report.leave(kind, f"{noun}: {reason}.")
            else:
                rows.insert(self._tx, ready(item))
                ids.add(item.id)
                names[name(item)] = item.id
                self._report.counts[kind].added += 1
        return ids

    def _add_or_match(
        self,
        kind: str,
        rows: db.Rows[Any],
        items: list[Any],
        says: Callable[[Any], Any],
        why: Callable[[Any, set[str]], str | None],
    ) -> dict[str, str]:
        """Add the items unless one that says the same is here; give for each id there the one here, if there is one."""
        here = {says(one): one.id for one in rows.list_by(self._tx)}
        fresh = [one for one in items if says(one) not in here]
        self._report.counts[kind].there += len(items) - len(fresh)
        ids = self._add(kind, rows, fresh, name=says, why=why)
        matched = {one.id: here.get(says(one), one.id) for one in items}
        return {there: own for there, own in matched.items() if own in ids}

    def _projects(self) -> None:
        def why(one: Any, ids: set[str]) -> str | None:
            missing = not one.is_domain and ({one.domain_id, one.parent_id or one.domain_id} - ids)
            return "its domain or parent is not taken over" if missing else None

        for kind, wanted in (("domains", True), ("projects", False)):
            items = [one for one in self._records.projects if one.is_domain == wanted]
            self._known["project"] = self._add(kind, db.PROJECTS, items, name=_in_domain, why=why)

    def _roles(self) -> None:
        self._role_ids = self._add_or_match("roles", db.ROLES, self._records.roles, _in_domain, self._foreign_domain)
        held = set(db.implications(self._tx))
        for pair in self._records.implications:
            prior, implied = (self._role_ids.get(one) for one in pair)
            if prior is None or implied is None:
                self._report.leave("implied roles", f"Role {pair[0]} implies {pair[1]}: one of them is not taken over.")
            elif (prior, implied) in held:
                self._report.counts["implied roles"].there += 1
            elif _reaches(held, implied, prior):
                self._report.leave("implied roles", f"Role {pair[0]} implies {pair[1]}: here it would be a ring.")
            else:
                db.add_implication(self._tx, prior, implied)
                held.add((prior, implied))
                self._report.counts["implied roles"].added += 1

    def _foreign_domain(self, one: Any, _ids: set[str]) -> str | None:
        missing = one.domain_id != ROOT and one.domain_id not in self._known["project"]
        return "its domain is not taken over" if missing else None

    def _users(self) -> None:
        before = {user.id for user in db.USERS.list_by(self._tx)}
        users = [self._without_unknown_hash(user, told=user.id in before) for user in self._records.users]
        self._known["user"] = self._add("users", db.USERS, users, name=_in_domain, why=self._foreign_domain)

    def _without_unknown_hash(self, user: User, *, told: bool) -> User:
        """Take away a hash that could never match."""
        if user.password_hash is None or imported_hashes.is_known(user.password_hash):
            return user
        if not told:
            self._report.left.append(f"User {user.name} ({user.id}): the password's algorithm is unknown; set a new one.")
        return dataclasses.replace(user, password_hash=None, password_created_at=None)

    def _groups(self) -> None:
        groups = self._records.groups
        self._known["group"] = self._add("groups", db.GROUPS, groups, name=_in_domain, why=self._foreign_domain)

    def _members(self) -> None:
        here: dict[str, set[str]] = {}
        for group_id, user_id in self._records.members:
            if group_id not in self._known["group"] or user_id not in self._known["user"]:
                self._report.leave("memberships", f"User {user_id} in group {group_id}: one of them is not taken over.")
                continue
            if group_id not in here:
                here[group_id] = set(db.member_ids_of(self._tx, group_id))
            if user_id in here[group_id]:
                self._report.counts["memberships"].there += 1
                continue
            db.add_member(self._tx, group_id, user_id)
            here[group_id].add(user_id)
            self._report.counts["memberships"].added += 1

    def _assignments(self) -> None:
        held = set(db.ASSIGNMENTS.list_by(self._tx))
        for foreign in self._records.assignments:
            role_id = self._role_ids.get(foreign.role_id)
            if role_id is None or not self._stands(foreign):
                self._report.leave(
                    "assignments",
                    f"Role {foreign.role_id} of {foreign.actor_kind} {foreign.actor_id} on {foreign.target_kind} "
                    f"{foreign.target_id}: one of them is not taken over.",
                )
                continue
            assignment = dataclasses.replace(foreign, role_id=role_id)
            if assignment in held:
                self._report.counts["assignments"].there += 1
                continue
            db.ASSIGNMENTS.insert(self._tx, assignment)
            held.add(assignment)
            self._report.counts["assignments"].added += 1

    def _stands(self, assignment: Assignment) -> bool:
        """Whether who and where are here."""
        actors = self._known["user" if assignment.actor_kind == Actor.USER else "group"]
        targets = {SYSTEM} if assignment.target_kind == Target.SYSTEM else self._known["project"]
        return assignment.actor_id in actors and assignment.target_id in targets

    def _application_credentials(self) -> None:
        rules = self._add_or_match("access rules", db.ACCESS_RULES, self._records.access_rules, _rule, self._foreign_user)

        def why(one: ApplicationCredential, _ids: set[str]) -> str | None:
            if one.user_id not in self._known["user"] or one.project_id not in self._known["project"]:
                return "its user or project is not taken over"
            if not imported_hashes.is_known(one.secret_hash):
                return "the algorithm of its secret is unknown"
            kept = one.access_rules or []
            if any(rule["id"] not in rules for rule in kept):
                return "its access rules are not taken over"
            return "its access rules are too long" if sum(_length(rule) for rule in kept) > LONGEST else None

        def ready(one: ApplicationCredential) -> ApplicationCredential:
            own = [self._role_ids[role] for role in one.roles if role in self._role_ids]
            kept = one.access_rules and [rule | {"id": rules[rule["id"]]} for rule in one.access_rules]
            return dataclasses.replace(one, roles=own, access_rules=kept)

        items = self._records.credentials
        self._add(
            "application credentials", db.CREDENTIALS, items, name=lambda one: (one.user_id, one.name), why=why, ready=ready
        )

    def _foreign_user(self, one: Any, _ids: set[str]) -> str | None:
        return None if one.user_id in self._known["user"] else "its user is not taken over"

    def _stored_credentials(self) -> None:
        def why(one: StoredCredential, _ids: set[str]) -> str | None:
            if one.project_id and one.project_id not in self._known["project"]:
                return "its project is not taken over"
            return self._foreign_user(one, _ids) or _what_is_wrong_with(one)

        def ready(one: StoredCredential) -> StoredCredential:
            return dataclasses.replace(one, blob=self._vault.seal(one.blob, one.id))

        items = self._records.stored
        self._add("credentials", delegation.CREDENTIALS, items, name=lambda one: one.id, why=why, ready=ready)

    def _catalog(self) -> None:
        """Add regions, and services of types that are not here: two of a type would confuse clients."""
        regions = self._add("regions", db.REGIONS, self._records.regions, name=lambda one: one.id, why=lambda *_: None)
        ours = self._records.services
        services = self._add("services", db.SERVICES, ours, name=lambda one: one.type, why=lambda *_: None)
        self._known["region"] = regions

        def why(one: Any, _ids: set[str]) -> str | None:
            if one.service_id not in services:
                return "its service is not taken over"
            return None if one.region_id is None or one.region_id in regions else "its region is not taken over"

        self._add("endpoints", db.ENDPOINTS, self._records.endpoints, name=lambda one: one.id, why=why)

    def _limits(self) -> None:
        """Add limits; those of a service whose type is here are our service's."""
        here = {one.type: one.id for one in db.SERVICES.list_by(self._tx)}
        services = {one.id: here[one.type] for one in self._records.services if one.type in here}
        items = [
            dataclasses.replace(one, service_id=services.get(one.service_id, "")) for one in self._records.registered_limits
        ]

        def why(one: RegisteredLimit, _ids: set[str]) -> str | None:
            if not one.service_id or (one.region_id and one.region_id not in self._known["region"]):
                return "its service or region is not taken over"
            return None

        def why_not_limited(one: Limit, _ids: set[str]) -> str | None:
            if not one.registered_limit_id:
                return "its registered limit is not taken over"
            there = {one.project_id, one.domain_id} - {""} <= self._known["project"]
            return None if there else "its project or domain is not taken over"

        registered = self._add_or_match("registered limits", limits_db.REGISTERED, items, _registered, why)
        limits = [
            dataclasses.replace(one, registered_limit_id=registered.get(one.registered_limit_id, ""))
            for one in self._records.limits
        ]
        self._add("limits", limits_db.LIMITS, limits, name=_limited, why=why_not_limited)


def _in_domain(one: Any) -> tuple[str, str]:
    """Give what is unique of users, groups, projects and roles besides their ids; databases compare names without case."""
    return one.domain_id, one.name.casefold()


def _rule(one: AccessRule) -> tuple[str, ...]:
    return one.user_id, one.service, one.method, one.path


def _length(rule: dict[str, Any]) -> int:
    return len(rule["service"]) + len(rule["method"]) + len(rule["path"])


def _registered(one: RegisteredLimit) -> tuple[str, ...]:
    return one.service_id, one.region_id, one.resource_name


def _limited(one: Limit) -> tuple[str, ...]:
    return one.registered_limit_id, one.project_id, one.domain_id


def _what_is_wrong_with(one: StoredCredential) -> str | None:
    """Say why a key pair could not be used here; other credentials are as good as they were."""
    if one.type.lower() != stored_credentials.EC2:
        return None
    try:
        blob = stored_credentials.read_blob(one.blob)
    except errors.BadRequest:
        return "it is no key pair"
    if any(blob.get(name) for name in stored_credentials.DELEGATED):
        return "it was made by a trust, an application credential or an access token"
    return None if one.id == stored_credentials.key_pair_id(blob["access"]) else "its id is not that of its access key"


def _reaches(pairs: set[tuple[str, str]], start: str, end: str) -> bool:
    """Whether one role implies another, however far."""
    found, waiting = set(), [start]
    while waiting:
        one = waiting.pop()
        if one == end:
            return True
        if one not in found:
            found.add(one)
            waiting += [implied for prior, implied in pairs if prior == one]
    return False
