"""No change takes the last administrator away, whichever way it would; any change goes while there is another."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.db import assignments
from nova_lite.db import identity as db
from nova_lite.identity import projects, roles, users
from nova_lite.identity.projects import new_id
from nova_lite.model.identity import SYSTEM, Actor, Assignment, Group, Project, Target, User


def role_id(tx):
    return db.ROLES.find_by(tx, name="admin", domain_id="").id


def held(tx, kind, actor_id, target_kind, target_id, inherited=False):
    return Assignment(
        actor_kind=kind,
        actor_id=actor_id,
        target_kind=target_kind,
        target_id=target_id,
        role_id=role_id(tx),
        inherited=inherited,
    )


def settle(tx):
    """Leave one administrator: `boss` of the domain `branch`, by its group `bosses`, on the project `lab`."""
    for each in db.ASSIGNMENTS.list_by(tx, role_id=role_id(tx)):
        db.ASSIGNMENTS.delete_by(tx, actor_id=each.actor_id, role_id=each.role_id, target_id=each.target_id)
    branch = projects.create(tx, Project(id=new_id(), name="branch", domain_id="", is_domain=True, created_at=0.0))
    lab = projects.create(tx, Project(id=new_id(), name="lab", domain_id=branch.id, parent_id=branch.id, created_at=0.0))
    boss = users.create(tx, User(id=new_id(), name="boss", domain_id=branch.id, created_at=0.0))
    bosses = users.create_group(tx, Group(id=new_id(), name="bosses", domain_id=branch.id))
    users.join(tx, bosses.id, boss.id)
    roles.grant(tx, held(tx, Actor.GROUP, bosses.id, Target.PROJECT, lab.id))
    return {"branch": branch, "lab": lab, "boss": boss, "bosses": bosses}


WAYS = {
    "the role is taken from the group": lambda tx, it: roles.withdraw(
        tx, held(tx, Actor.GROUP, it["bosses"].id, Target.PROJECT, it["lab"].id)
    ),
    "the user leaves the group": lambda tx, it: users.leave(tx, it["bosses"].id, it["boss"].id),
    "the group is deleted": lambda tx, it: users.delete_group(tx, it["bosses"].id),
    "the user is deleted": lambda tx, it: users.delete(tx, it["boss"].id),
    "the user is disabled": lambda tx, it: users.update(tx, it["boss"], {"enabled": False}),
    "the project is disabled": lambda tx, it: projects.update(tx, it["lab"], {"enabled": False}),
    "the project is deleted": lambda tx, it: projects.delete_project(tx, it["lab"].id),
    "the domain is disabled": lambda tx, it: projects.update(tx, it["branch"], {"enabled": False}),
    "the role gets another name": lambda tx, it: roles.update(tx, db.ROLES.get(tx, role_id(tx)), {"name": "chief"}),
    "the role is deleted": lambda tx, it: roles.delete(tx, role_id(tx)),
}


def everything(cloud):
    with cloud.database.read() as tx:
        tables = (db.USERS, db.GROUPS, db.ROLES, db.PROJECTS, db.ASSIGNMENTS)
        return [table.list_by(tx) for table in tables], db.newest_revocation(tx)


@pytest.mark.parametrize("way", WAYS)
def test_the_last_admin_stays_and_nothing_changes_when(cloud, way):
    it = cloud.transact(settle)
    before = everything(cloud)

    with pytest.raises(errors.Forbidden, match="Nobody would be left"):
        cloud.transact(lambda tx: WAYS[way](tx, it))

    assert everything(cloud) == before


@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("the role gets") and way != "the role is deleted"])
def test_it_goes_while_there_is_another(cloud, way):
    it = cloud.transact(settle)

    def change(tx):
        other = users.create(tx, User(id=new_id(), name="another", domain_id="default", created_at=0.0))
        roles.grant(tx, held(tx, Actor.USER, other.id, Target.SYSTEM, SYSTEM))
        WAYS[way](tx, it)
        return assignments.has_admin(tx)

    assert cloud.transact(change)


def test_what_is_only_inherited_makes_no_administrator_of_the_cloud(cloud):
    it = cloud.transact(settle)

    def change(tx):
        roles.grant(tx, held(tx, Actor.USER, it["boss"].id, Target.DOMAIN, it["branch"].id, inherited=True))
        users.leave(tx, it["bosses"].id, it["boss"].id)

    with pytest.raises(errors.Forbidden):
        cloud.transact(change)
