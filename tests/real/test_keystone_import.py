"""A real Keystone's records taken over, by its database and by its API: twice, and its users log in as before."""

from __future__ import annotations

import pytest
from real.keystone import PASSWORD

from nova_lite import errors
from nova_lite.clock import SystemClock
from nova_lite.conf.identity import IdentityOptions
from nova_lite.db import delegation, foreign_keystone, limits
from nova_lite.db import identity as db
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.identity import foreign_secrets, importing, keystone_records, passwords
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.identity.outside import Outside
from nova_lite.identity.port import Call
from nova_lite.identity.service import ensure_all_keys, make_identity
from nova_lite.identity.stored_credentials import get_key_pair

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def filled(keystone):
    """Keystone with a bit of everything; the ids that tests ask for."""
    call = keystone.call
    alice, top = keystone.add_member("alice", "alice's old password")
    below = call("POST", "/projects", project={"name": "below", "parent_id": top, "domain_id": "default", "tags": ["blue"]})
    domain = call("POST", "/domains", domain={"name": "branch"})["domain"]["id"]
    bob = call("POST", "/users", user={"name": "bob", "domain_id": domain, "password": "bob's", "email": "bob@cloud.test"})
    group = call("POST", "/groups", group={"name": "crew", "domain_id": domain})["group"]["id"]
    call("PUT", f"/groups/{group}/users/{bob['user']['id']}")
    own = call("POST", "/roles", role={"name": "own"})["role"]["id"]
    local = call("POST", "/roles", role={"name": "local", "domain_id": domain})["role"]["id"]
    reader = call("GET", "/roles?name=reader")["roles"][0]["id"]
    call("PUT", f"/roles/{own}/implies/{reader}")
    call("PUT", f"/OS-INHERIT/projects/{top}/groups/{group}/roles/{own}/inherited_to_projects")
    call("PUT", f"/system/users/{alice}/roles/{reader}")
    session = keystone.session(user="alice", password="alice's old password", project="alice")

    def robot(**fields):
        body = {"application_credential": fields}
        return session.post(f"{keystone.url}/users/{alice}/application_credentials", json=body).json()["application_credential"]

    credential = robot(name="robot")
    narrow = robot(name="narrow", access_rules=[{"service": "compute", "method": "GET", "path": "/v2.1/servers"}])
    pair = call("POST", f"/users/{alice}/credentials/OS-EC2", tenant_id=top)["credential"]
    service = call("POST", "/services", service={"type": "object-store", "name": "swift"})["service"]["id"]
    limit = {"service_id": service, "resource_name": "objects"}
    call("POST", "/registered_limits", registered_limits=[limit | {"default_limit": 10}])
    call("POST", "/limits", limits=[limit | {"project_id": top, "resource_limit": 5}])
    return {
        "alice": alice, "top": top, "below": below["project"]["id"], "domain": domain, "group": group, "bob": bob["user"]["id"],
        "own": own, "local": local, "credential": credential, "narrow": narrow, "pair": pair,
    }  # fmt: skip


@pytest.fixture
def ours(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/ours.db")
    create_all(database)
    bootstrap(database, admin_password="a", demo_password="d", region="RegionOne", public_url="http://cloud.test")
    yield database
    database.dispose()


@pytest.fixture
def identity(ours, tmp_path):
    ensure_all_keys(tmp_path, SystemClock().wall())
    return make_identity(ours, tmp_path, IdentityOptions(), SystemClock())


def by_database(keystone):
    records = foreign_keystone.read(keystone.database_url, 0.0)
    foreign_secrets.open_stored(records, foreign_secrets.read_keys(keystone.home / "credential"))
    return records


def by_api(keystone):
    return keystone_records.read(Outside(keystone.entry()["auth"]), 0.0)


def everything(database):
    with database.read() as tx:
        rows = (
            db.PROJECTS,
            db.USERS,
            db.GROUPS,
            db.ROLES,
            db.ASSIGNMENTS,
            db.CREDENTIALS,
            db.ACCESS_RULES,
            delegation.CREDENTIALS,
            limits.REGISTERED,
            limits.LIMITS,
            db.REGIONS,
            db.SERVICES,
            db.ENDPOINTS,
        )
        return [one.list_by(tx) for one in rows], db.implications(tx)


@pytest.mark.parametrize("read", [by_database, by_api])
def test_records_are_taken_over_and_a_second_time_nothing_changes(keystone, filled, ours, identity, read):
    rehearsed = importing.run(ours, read(keystone), identity.vault, dry_run=True)
    first = importing.run(ours, read(keystone), identity.vault, dry_run=False)
    after_first = everything(ours)
    second = importing.run(ours, read(keystone), identity.vault, dry_run=False)

    assert first.added == rehearsed.added > 0
    assert second.added == 0
    assert everything(ours) == after_first
    with ours.read() as tx:
        below = db.PROJECTS.get(tx, filled["below"])
        assert (below.parent_id, below.extra["tags"]) == (filled["top"], ["blue"])
        assert get_key_pair(tx, identity.vault, filled["pair"]["access"]).secret == filled["pair"]["secret"]
        assert limits.LIMITS.find_by(tx, project_id=filled["top"]).resource_limit == 5
        assert db.PROJECTS.get(tx, filled["domain"]).is_domain
        assert db.USERS.get(tx, filled["bob"]).extra == {"email": "bob@cloud.test"}
        assert db.member_ids_of(tx, filled["group"]) == [filled["bob"]]
        assert db.ROLES.get(tx, filled["local"]).domain_id == filled["domain"]
        assert db.ASSIGNMENTS.find_by(tx, actor_id=filled["group"], inherited=True).role_id == filled["own"]
        assert db.ASSIGNMENTS.find_by(tx, actor_id=filled["alice"], target_kind="system")
        assert filled["own"] in [prior for prior, _ in db.implications(tx)]
        assert db.USERS.find_by(tx, name="admin").password_hash.startswith("$argon2id")
    assert any("name is taken" in line for line in first.left), "Keystone's admin is not ours"


def test_imported_user_logs_in_with_the_old_password_and_gets_a_new_hash(keystone, filled, ours, identity):
    importing.run(ours, by_database(keystone), identity.vault, dry_run=False)
    user = {"name": "alice", "domain": {"id": "default"}, "password": "alice's old password"}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": {"id": filled["top"]}}}

    _, claims = identity.login.authenticate(auth, "192.0.2.1")

    assert claims.user_id == filled["alice"]
    assert set(claims.roles) == {"member", "reader"}
    with ours.read() as tx:
        assert not passwords.needs_rehash(db.USERS.get(tx, filled["alice"]).password_hash)


@pytest.mark.parametrize("name", ["credential", "narrow"])
def test_imported_application_credential_logs_in(keystone, filled, ours, identity, name):
    importing.run(ours, by_database(keystone), identity.vault, dry_run=False)
    shown = {"id": filled[name]["id"], "secret": filled[name]["secret"]}

    token, claims = identity.login.authenticate(
        {"identity": {"methods": ["application_credential"], "application_credential": shown}}, "192.0.2.1"
    )

    assert (claims.user_id, claims.scope_id) == (filled["alice"], filled["top"])
    assert identity.tokens.check(token, "req-1", Call(service="compute", method="GET", path="/v2.1/servers")).roles
    elsewhere = Call(service="compute", method="POST", path="/v2.1/servers")
    if name == "narrow":
        with pytest.raises(errors.Unauthorized):
            identity.tokens.check(token, "req-1", elsewhere)
    else:
        assert identity.tokens.check(token, "req-1", elsewhere).roles


def test_users_read_by_the_api_have_no_password(keystone, filled, ours, identity):
    report = importing.run(ours, by_api(keystone), identity.vault, dry_run=False)

    assert any("--database" in line for line in report.left)
    with ours.read() as tx:
        assert db.USERS.get(tx, filled["alice"]).password_hash is None
    assert PASSWORD not in str(report)
