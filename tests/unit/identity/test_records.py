"""Records that two requests change at the same time, and hierarchies that are large."""

from __future__ import annotations

from nova_lite.api.identity.projects import _ids_below
from nova_lite.db import identity as db
from nova_lite.identity import roles, users
from nova_lite.model.identity import Group


def test_a_user_who_was_just_put_into_a_group_by_another_request_is_in_it(cloud, monkeypatch):
    group = Group(id="g", name="g", domain_id="default")

    def work(tx):
        users.create_group(tx, group)
        user_id = db.USERS.find_by(tx, name="demo").id
        users.join(tx, "g", user_id)
        with monkeypatch.context() as patched:
            patched.setattr(db, "member_ids_of", lambda tx, group_id: [])  # as it was read before the other committed
            users.join(tx, "g", user_id)
        return user_id, db.member_ids_of(tx, "g")

    user_id, members = cloud.transact(work)
    assert members == [user_id]


def test_a_role_that_was_just_implied_by_another_request_is_implied(cloud, monkeypatch):
    def work(tx):
        first, second = (roles.create(tx, roles.new_role(name)).id for name in ("first", "second"))
        roles.imply(tx, first, second)
        with monkeypatch.context() as patched:
            patched.setattr(db, "implications", lambda tx: [])
            roles.imply(tx, first, second)
        return roles.expand(tx, [first]), {first, second}

    found, expected = cloud.transact(work)
    assert found == expected


class Counted:
    """A project that counts how often it is asked where it is."""

    looks = 0

    def __init__(self, number):
        self.id = str(number)
        self._parent = "top" if number < 50 else str(number - 50)

    @property
    def parent_id(self):
        Counted.looks += 1
        return self._parent


def test_what_is_below_a_project_is_nested_looking_at_each_project_once():
    below = [Counted(number) for number in range(100)]

    found = _ids_below("top", below)

    assert found == {str(number): {str(number + 50): None} for number in range(50)}
    assert Counted.looks == len(below)
