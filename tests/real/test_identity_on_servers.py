"""Pages of Identity's lists on PostgreSQL and MariaDB, which have orders of names of their own."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.db import identity as db
from nova_lite.model.identity import User

NAMES = ("b", "a", "B", "A", "a b", "a-b", "ab", "é", "e", "f", "_", "👩‍🚀", "1", "10", "2")


def test_pages_are_the_parts_of_the_whole_list(database):
    def work(tx):
        for home in ("one", "two"):
            for number, name in enumerate(NAMES):
                db.USERS.insert(
                    tx, User(id=f"{home}-{number}", name=name, domain_id=home, enabled=number % 2 == 0, created_at=1)
                )

    database.transact(work)

    for equal in ({}, {"domain_id": "two"}, {"enabled": False}, {"domain_id": ["one", "two"], "enabled": True}):
        with database.read() as tx:
            whole = [user.id for user in db.USERS.list_by(tx, **equal)]
            found, last = [], None
            while page := db.USERS.page_by(tx, after=last, most=4, **equal):
                found += [user.id for user in page]
                last = found[-1]
            assert whole and found == whole
            with pytest.raises(errors.NotFound):
                db.USERS.page_by(tx, after="one-0", most=4, domain_id="two")
