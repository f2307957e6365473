"""`identity.mode = keystone`: tokens of a real Keystone at the door, and this cloud in its catalog."""

from __future__ import annotations

import dataclasses
import time

import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v3
from real.keystone import PASSWORD, Keystone

from nova_lite import errors
from nova_lite.conf.identity import KeystoneOptions
from nova_lite.identity.keystone import CACHE_S, KeystoneTokens, TokenMemory
from nova_lite.identity.outside import Outside, of_service_user
from nova_lite.identity.port import Call
from nova_lite.identity.register import register

pytestmark = pytest.mark.slow

LIST = Call(service="compute", method="GET", path="/v2.1/servers")


class Moving:
    """Seconds that a test moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@dataclasses.dataclass
class Door:
    """A token check on Keystone, and the clock of its memory."""

    keystone: Keystone
    options: KeystoneOptions
    clock: Moving
    tokens: KeystoneTokens

    def check(self, token, call=LIST):
        return self.tokens.check(token, "req-1", call)

    def register(self, **changes):
        said = []
        admin = Outside(self.keystone.entry()["auth"])
        wanted = {"password": self.options.password, "public_url": "http://cloud.test:8774", "say": said.append} | changes
        register(admin, self.options, **wanted)
        return said

    def session_of(self, **auth):
        return session.Session(auth=v3.Password(auth_url=self.keystone.url, user_domain_name="Default", **auth))


@pytest.fixture(scope="module")
def registered(keystone, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keystone")
    options = KeystoneOptions(auth_url=keystone.url, password_file=folder / "password", password="service-pw")
    clock = Moving()
    door = Door(keystone, options, clock, KeystoneTokens(options, ("compute", "image"), TokenMemory(clock=clock)))
    door.first = door.register()
    keystone.add_member("alice", "alice-pw")
    return door


@pytest.fixture
def alice(registered):
    return registered.session_of(username="alice", password="alice-pw", project_name="alice", project_domain_name="Default")


def test_registering_makes_user_services_and_endpoints_once(registered):
    kinds = {service["type"] for service in registered.keystone.call("GET", "/services")["services"]}
    urls = {endpoint["url"] for endpoint in registered.keystone.call("GET", "/endpoints")["endpoints"]}

    assert any("user nova-lite: made" in line for line in registered.first)
    assert {"compute", "image", "network"} <= kinds
    assert {"http://cloud.test:8774/compute/v2.1", "http://cloud.test:8774/image", "http://cloud.test:8774/network"} <= urls
    assert registered.register() == []


def test_registering_again_follows_a_new_address(registered):
    moved = registered.register(public_url="https://moved.test")

    assert len(moved) == 9
    assert len(registered.register()) == 9


def test_service_user_can_check_tokens_and_no_more(registered):
    user = of_service_user(registered.options)

    assert user.roles() == {"service"}
    with pytest.raises(errors.Forbidden):
        user.create("project", "projects", {"name": "not-allowed", "domain_id": "default"})


def test_service_of_our_type_that_is_not_ours_is_left_alone(registered):
    made = registered.keystone.call("POST", "/services", service={"type": "network", "name": "another"})["service"]
    try:
        with pytest.raises(errors.Conflict, match="another"):
            registered.register()
    finally:
        registered.keystone.call("DELETE", f"/services/{made['id']}")


def test_token_becomes_its_holder(registered, alice):
    context = registered.check(alice.get_token())

    assert (context.user_name, context.project_name) == ("alice", "alice")
    assert context.user_domain_id == context.project_domain_id == "default"
    assert context.roles == {"member", "reader"}
    assert context.token_expires_at > time.time()
    assert context.system_scope is None
    assert context.request_id == "req-1"


def test_token_of_the_system_and_of_a_domain_say_so(registered):
    of_system = registered.session_of(username="admin", password=PASSWORD, system_scope="all")
    admin_id = of_system.get_user_id()
    role = registered.keystone.call("GET", "/roles?name=admin")["roles"][0]["id"]
    registered.keystone.call("PUT", f"/domains/default/users/{admin_id}/roles/{role}")
    of_domain = registered.session_of(username="admin", password=PASSWORD, domain_name="Default")

    assert registered.check(of_system.get_token()).system_scope == "all"
    assert "reader" in registered.check(of_system.get_token()).roles
    assert registered.check(of_domain.get_token()).domain_id == "default"
    assert registered.check(of_domain.get_token()).project_id is None


@pytest.mark.parametrize("token", ["", "gAAAAABforged", "x" * 9000, "tok\nen", "tökén", "nl1.a.b.c"])
def test_what_is_no_token_is_refused(registered, token):
    with pytest.raises(errors.Unauthorized):
        registered.check(token)


def test_revoked_token_ends_when_it_is_no_longer_remembered(registered, alice):
    token = alice.get_token()
    registered.check(token)
    alice.delete(f"{registered.keystone.url}/auth/tokens", headers={"X-Subject-Token": token})

    registered.clock.now += CACHE_S + 1

    with pytest.raises(errors.Unauthorized):
        registered.check(token)


def test_service_token_is_taken_from_services_only(registered, alice):
    service = session.Session(
        auth=v3.Password(
            **{
                "auth_url": registered.keystone.url,
                "username": "nova-lite",
                "password": "service-pw",
                "project_name": "service",
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            }
        )
    )
    with_service = dataclasses.replace(LIST, service_token=service.get_token())
    with_users = dataclasses.replace(LIST, service_token=alice.get_token())

    assert registered.check(alice.get_token(), with_service).service_roles == {"service"}
    assert registered.check(alice.get_token()).service_roles == frozenset()
    with pytest.raises(errors.Unauthorized):
        registered.check(alice.get_token(), with_users)


def test_application_credential_is_kept_to_its_access_rules(registered, alice):
    rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
    body = {"application_credential": {"name": "narrow", "access_rules": rules}}
    address = f"{registered.keystone.url}/users/{alice.get_user_id()}/application_credentials"
    made = alice.post(address, json=body).json()["application_credential"]
    auth = v3.ApplicationCredential(
        registered.keystone.url, application_credential_id=made["id"], application_credential_secret=made["secret"]
    )
    token = session.Session(auth=auth).get_token()

    assert registered.check(token).project_name == "alice"
    for refused in (
        Call(service="compute", method="POST", path="/v2.1/servers"),
        Call(service="compute", method="GET", path="/v2.1/flavors"),
        Call(service="image", method="GET", path="/v2.1/servers"),
        None,
    ):
        with pytest.raises(errors.Unauthorized):
            registered.check(token, refused)


def test_while_keystone_is_away_known_tokens_are_good_and_others_wait(registered, alice):
    known, unknown = alice.get_token(), registered.keystone.session().get_token()
    registered.check(known)
    registered.keystone.stop()
    try:
        assert registered.check(known).user_name == "alice"
        with pytest.raises(errors.Unavailable) as caught:
            registered.check(unknown)
        assert caught.value.retry_after_s > 0
    finally:
        registered.keystone.start()

    assert registered.check(unknown).user_name == "admin"


def test_token_that_expired_is_refused(registered, alice):
    registered.keystone.stop()
    registered.keystone.configure(token_lifetime_s=3)
    registered.keystone.start()  # and it stays so: it ends with this file of tests, and each start takes seconds

    token = alice.get_token()
    expires = registered.check(token).token_expires_at
    while time.time() <= expires:
        time.sleep(0.2)

    with pytest.raises(errors.Unauthorized):
        registered.check(token)
