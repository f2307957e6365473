from __future__ import annotations

from nova_lite.db import identity as db
from nova_lite.identity import catalog


def test_a_second_bootstrap_changes_nothing_and_ends_no_token(cloud, repeat_bootstrap):
    token, _ = cloud.log_in()
    before = everything(cloud)
    cloud.clock.now += 1

    repeat_bootstrap(cloud.database)

    assert everything(cloud) == before
    cloud.identity.tokens.refresh()
    cloud.identity.tokens.check(token, "req-1")


def test_a_second_bootstrap_brings_new_passwords_and_addresses(cloud, repeat_bootstrap):
    repeat_bootstrap(cloud.database, admin="another", url="https://cloud.example/")

    cloud.clock.now += 1
    cloud.log_in("admin", "another")
    with cloud.database.read() as tx:
        shown = {entry["type"]: entry["endpoints"] for entry in catalog.show(tx, None)}
    assert {endpoint["url"] for endpoint in shown["compute"]} == {"https://cloud.example/compute/v2.1"}
    assert {endpoint["url"] for endpoint in shown["image"]} == {"https://cloud.example/image"}
    assert sorted(endpoint["interface"] for endpoint in shown["network"]) == ["admin", "internal", "public"]


def test_only_services_that_exist_are_announced(cloud):
    with cloud.database.read() as tx:
        assert sorted(entry["type"] for entry in catalog.show(tx, None)) == ["compute", "identity", "image", "network"]


def everything(cloud):
    with cloud.database.read() as tx:
        rows = (db.PROJECTS, db.USERS, db.ROLES, db.ASSIGNMENTS, db.REGIONS, db.SERVICES, db.ENDPOINTS)
        return [each.list_by(tx) for each in rows]
