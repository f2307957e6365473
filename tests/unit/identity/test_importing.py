"""What another identity service knows is added once, by id; what is taken by name is told and left alone."""

from __future__ import annotations

import dataclasses
import json

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from nova_lite import errors
from nova_lite.db import delegation, foreign_keystone, limits
from nova_lite.db import identity as db
from nova_lite.identity import foreign_secrets, importing, roles
from nova_lite.identity.stored_credentials import get_key_pair, key_pair_id
from nova_lite.model.delegation import StoredCredential
from nova_lite.model.identity import (
    AccessRule,
    ApplicationCredential,
    Assignment,
    CatalogEndpoint,
    CatalogService,
    Group,
    Project,
    Region,
    Role,
    Target,
    User,
)
from nova_lite.model.imported import Records, parents_first
from nova_lite.model.limits import Limit, RegisteredLimit

PBKDF2 = "$pbkdf2-sha512$1000$1Q4Gb55gEnC5+/QCw/sQdA$AAAAAAAAAAAAAAAAAAAAAA"


def project(name, parent="default", **fields):
    return Project(**{"id": f"p-{name}", "name": name, "domain_id": "default", "parent_id": parent, "created_at": 1.0} | fields)


def user(name, **fields):
    return User(**{"id": f"u-{name}", "name": name, "domain_id": "default", "created_at": 1.0} | fields)


def grant(actor, target, role, **fields):
    who = {"actor_kind": "user", "actor_id": actor, "target_kind": "project", "target_id": target, "role_id": role}
    return Assignment(**who | fields)


@pytest.fixture
def records():
    """A domain, a tree of two projects, a user by itself and in a group, roles with other ids than ours."""
    return Records(
        projects=[
            Project(id="default", name="Default", domain_id="", is_domain=True, created_at=1.0),
            project("top"),
            project("below", parent="p-top"),
        ],
        users=[user("alice", password_hash=PBKDF2, extra={"email": "alice@cloud.test"})],
        groups=[Group(id="g-1", name="crew", domain_id="default")],
        members=[("g-1", "u-alice")],
        roles=[Role(id="r-member", name="member"), Role(id="r-own", name="own")],
        implications=[("r-own", "r-member")],
        assignments=[
            grant("u-alice", "p-top", "r-own", inherited=True),
            grant("g-1", "p-top", "r-member", actor_kind="group"),
            grant("u-alice", "system", "r-member", target_kind="system"),
        ],
        credentials=[
            ApplicationCredential(
                id="c-1", name="c", user_id="u-alice", project_id="p-top", secret_hash=PBKDF2, created_at=1.0, roles=["r-own"]
            )
        ],
        regions=[Region(id="RegionOne"), Region(id="North")],
        services=[CatalogService(id="s-1", type="object-store", name="swift")],
        endpoints=[CatalogEndpoint(id="e-1", service_id="s-1", interface="public", url="http://o", region_id="North")],
    )


@pytest.fixture
def take_over(cloud):
    return lambda records, dry_run=False: importing.run(cloud.database, records, cloud.identity.vault, dry_run=dry_run)


def test_everything_is_added_with_its_relations(cloud, records, take_over):
    report = take_over(records)

    assert report.left == []
    with cloud.database.read() as tx:
        below = db.PROJECTS.get(tx, "p-below")
        assert below.parent_id == "p-top"
        assert db.USERS.get(tx, "u-alice").extra == {"email": "alice@cloud.test"}
        assert [role.name for role in roles.effective(tx, "u-alice", Target.PROJECT, below)] == ["member", "own", "reader"]
        assert db.group_ids_of(tx, "u-alice") == ["g-1"]
        assert db.CREDENTIALS.get(tx, "c-1").roles == ["r-own"]
        assert db.ENDPOINTS.get(tx, "e-1").url == "http://o"


def test_second_run_adds_nothing(records, take_over):
    first, second = take_over(records), take_over(records)

    assert first.added > 0
    assert second.added == 0
    assert second.left == []


def test_dry_run_tells_the_same_and_adds_nothing(cloud, records, take_over):
    rehearsed = take_over(records, dry_run=True)

    with cloud.database.read() as tx:
        assert db.USERS.find(tx, "u-alice") is None
    assert rehearsed == take_over(records)


def test_role_of_our_name_is_our_role(cloud, records, take_over):
    take_over(records)

    with cloud.database.read() as tx:
        member = db.ROLES.find_by(tx, name="member", domain_id="")
        assert db.ROLES.find(tx, "r-member") is None
        assert db.ASSIGNMENTS.find_by(tx, actor_id="g-1").role_id == member.id


def test_name_that_is_taken_is_told_and_left_with_all_that_needs_it(cloud, records, take_over):
    with cloud.database.read() as tx:
        ours = db.USERS.find_by(tx, name="demo")
    records.users.append(User(id="u-other", name="DEMO", domain_id="default", created_at=1.0))
    records.assignments.append(grant("u-other", "p-top", "r-member"))
    records.members.append(("g-1", "u-other"))

    report = take_over(records)

    assert any("DEMO (u-other)" in line and ours.id in line for line in report.left)
    assert [report.counts[kind].left for kind in ("users", "assignments", "memberships")] == [1, 1, 1]
    with cloud.database.read() as tx:
        assert db.USERS.find_by(tx, name="demo") == ours


def test_password_of_an_unknown_algorithm_is_left_out(cloud, records, take_over):
    records.users[0] = dataclasses.replace(records.users[0], password_hash="$6$salt$digest")

    report = take_over(records)

    assert any("set a new one" in line for line in report.left)
    with cloud.database.read() as tx:
        assert db.USERS.get(tx, "u-alice").password_hash is None


def with_rule(records, **fields):
    """Let the user's credential have an access rule."""
    rule = AccessRule(**{"id": "a-1", "user_id": "u-alice", "service": "compute", "method": "GET", "path": "/v2.1/**"} | fields)
    shown = {"id": rule.id, "service": rule.service, "method": rule.method, "path": rule.path}
    records.access_rules.append(rule)
    records.credentials[0] = dataclasses.replace(records.credentials[0], access_rules=[shown])


def test_access_rules_come_with_their_credential(cloud, records, take_over):
    with_rule(records)

    assert take_over(records).left == []

    with cloud.database.read() as tx:
        assert db.ACCESS_RULES.get(tx, "a-1").path == "/v2.1/**"
        assert db.CREDENTIALS.get(tx, "c-1").access_rules[0]["id"] == "a-1"


def test_access_rule_that_is_here_is_the_same_rule(cloud, records, take_over):
    take_over(dataclasses.replace(records, credentials=[]))
    ours = AccessRule(id="a-ours", user_id="u-alice", service="compute", method="GET", path="/v2.1/**")
    cloud.transact(lambda tx: db.ACCESS_RULES.insert(tx, ours))
    with_rule(records)

    report = take_over(records)

    assert report.counts["access rules"].there == 1
    with cloud.database.read() as tx:
        assert db.CREDENTIALS.get(tx, "c-1").access_rules[0]["id"] == "a-ours"


@pytest.mark.parametrize("fields", [{"user_id": "u-nobody"}, {"path": "/" + "x" * 2048}])
def test_credential_whose_access_rules_do_not_fit_is_left_alone(records, take_over, fields):
    with_rule(records, **fields)

    assert take_over(records).counts["application credentials"].left == 1


def stored(key, **fields):
    return StoredCredential(**{"id": key, "user_id": "u-alice", "type": "cert", "blob": "secret"} | fields)


def key_pair(**fields):
    blob = json.dumps({"access": "a" * 32, "secret": "s" * 32} | fields)
    return stored(key_pair_id("a" * 32), project_id="p-top", type="ec2", blob=blob)


def test_what_users_keep_is_sealed_here_and_opens(cloud, records, take_over):
    records.stored = [stored("k-1"), key_pair()]

    report = take_over(records)

    assert (report.counts["credentials"].added, report.left) == (2, [])
    with cloud.database.read() as tx:
        kept = delegation.CREDENTIALS.get(tx, "k-1")
        assert get_key_pair(tx, cloud.identity.vault, "a" * 32).secret == "s" * 32
    assert "secret" not in kept.blob
    assert cloud.identity.vault.open(kept.blob, "k-1") == "secret"
    assert take_over(records).added == 0


@pytest.mark.parametrize(
    "wrong",
    [
        stored("k-1", user_id="u-nobody"),
        stored("k-1", project_id="p-none"),
        stored("k-1", type="ec2", blob="no JSON"),
        dataclasses.replace(key_pair(), id="k-1"),
        key_pair(trust_id="t-1"),
    ],
)
def test_credential_that_could_not_be_used_here_is_told_and_left(records, take_over, wrong):
    records.stored = [wrong]

    report = take_over(records)

    assert report.counts["credentials"].left == len(report.left) == 1
    assert "secret" not in report.left[0]


def test_limits_of_a_service_of_our_type_are_our_services(cloud, records, take_over):
    with cloud.database.read() as tx:
        ours = db.SERVICES.find_by(tx, type="compute")
    records.services.append(CatalogService(id="s-nova", type="compute", name="nova"))
    records.registered_limits = [
        RegisteredLimit(id="l-1", service_id="s-nova", resource_name="servers", default_limit=10),
        RegisteredLimit(id="l-2", service_id="s-none", resource_name="servers", default_limit=10),
    ]
    records.limits = [
        Limit(id="m-1", registered_limit_id="l-1", project_id="p-top", resource_limit=5),
        Limit(id="m-2", registered_limit_id="l-2", project_id="p-top", resource_limit=5),
        Limit(id="m-3", registered_limit_id="l-1", project_id="p-none", resource_limit=5),
    ]

    report = take_over(records)

    assert (report.counts["registered limits"].added, report.counts["registered limits"].left) == (1, 1)
    assert (report.counts["limits"].added, report.counts["limits"].left) == (1, 2)
    with cloud.database.read() as tx:
        assert limits.REGISTERED.get(tx, "l-1").service_id == ours.id
    assert take_over(records).added == 0


def test_credentials_open_with_keystones_keys_and_are_told_without(tmp_path):
    old, new = Fernet.generate_key(), Fernet.generate_key()
    (tmp_path / "0").write_bytes(old)
    (tmp_path / "1").write_bytes(new)

    def read():
        return Records(stored=[stored("k-1", blob=Fernet(old).encrypt(b"secret").decode())])

    opened, closed = read(), read()
    foreign_secrets.open_stored(opened, foreign_secrets.read_keys(tmp_path))
    foreign_secrets.open_stored(closed, [])

    assert [one.blob for one in opened.stored] == ["secret"]
    assert closed.stored == []
    assert "--credential-keys" in closed.left[0]


def test_key_pair_is_taken_out_of_keystones_second_wrapping():
    inner = json.dumps({"access": "a", "secret": "s"})
    records = Records(
        stored=[stored("k-1", type="ec2", blob=Fernet(foreign_secrets.NULL_KEY).encrypt(json.dumps(inner).encode()).decode())]
    )

    foreign_secrets.open_stored(records, [])

    assert records.stored[0].blob == inner


@pytest.mark.parametrize("name", ["missing", "empty", "wrong"])
def test_folder_without_keystones_keys_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "0").write_text("no key")

    with pytest.raises(errors.ConfigError, match="--credential-keys"):
        foreign_secrets.read_keys(tmp_path / name)


def test_service_of_a_type_that_is_here_is_left_with_its_endpoints(cloud, records, take_over):
    records.services.append(CatalogService(id="s-2", type="compute", name="nova"))
    records.endpoints.append(CatalogEndpoint(id="e-2", service_id="s-2", interface="public", url="http://n"))

    report = take_over(records)

    assert report.counts["services"].left == report.counts["endpoints"].left == 1


def test_rings_of_roles_and_projects_are_refused(records, take_over):
    records.implications += [("r-member", "r-own")]
    records.projects = parents_first([*records.projects, project("a", parent="p-b"), project("b", parent="p-a")])

    report = take_over(records)

    assert report.counts["implied roles"].left == 1
    assert report.counts["projects"].left == 2


def test_parents_come_before_children():
    ordered = parents_first([project("below", parent="p-top"), project("top"), project("d", id="default", is_domain=True)])

    assert [one.id for one in ordered] == ["default", "p-top", "p-below"]


def test_database_that_is_no_keystones_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/empty.db"
    sa.create_engine(url).connect().close()

    with pytest.raises(errors.ConfigError, match="no table"):
        foreign_keystone.read(url, 0.0)
    with pytest.raises(errors.ConfigError, match="URL"):
        foreign_keystone.read("nonsense", 0.0)
