"""The APIs where an outside Keystone knows the users: they point there, wait for it, and do not serve Identity."""

from __future__ import annotations

import falcon.testing
import pytest
from oslo_config import cfg

from nova_lite import errors
from nova_lite.api.app import make_app
from nova_lite.api.build import build
from nova_lite.api.parts import Parts
from nova_lite.conf import identity as identity_conf
from nova_lite.conf import load
from nova_lite.context import Context
from nova_lite.db.engine import Database
from nova_lite.identity.policy import Policy

URL = "https://keystone.test/v3"


class Checker:
    """Knows one token, cannot say of another, and keeps what it was asked."""

    def __init__(self):
        self.calls = []

    def check(self, token, request_id, call=None):
        self.calls.append(call)
        if token == "unsure":
            raise errors.Unavailable("Keystone does not answer at the moment.", retry_after_s=5)
        if token != "good":
            raise errors.Unauthorized
        return Context(request_id=request_id, user_id="u", project_id="p", roles=frozenset({"member"}))


@pytest.fixture
def checker():
    return Checker()


@pytest.fixture
def parts(tmp_path, checker):
    database = Database(f"sqlite:///{tmp_path}/x.db")
    yield Parts(database=database, tokens=checker, policy=Policy(), auth_url=URL)
    database.dispose()


@pytest.fixture
def client(parts):
    return falcon.testing.TestClient(make_app(parts))


@pytest.fixture
def configured(tmp_path):
    def configure(text):
        path = tmp_path / "nova-lite.conf"
        path.write_text(f"[DEFAULT]\nstate_dir = {tmp_path}\n[identity]\n{text}")
        return load.load([], files=[path], conf=cfg.ConfigOpts())

    return configure


@pytest.mark.parametrize("path", ["/identity", "/identity/v3", "/identity/v3/auth/tokens", "/identity/v3/users"])
def test_identity_says_where_it_is(client, path):
    answer = client.simulate_get(path)

    assert answer.status_code == 404
    assert URL in answer.json["error"]["message"]


def test_identity_is_not_in_the_list_of_services(client):
    assert "identity" not in [service["name"] for service in client.simulate_get("/").json["services"]]


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": "bad"}])
def test_without_a_good_token_clients_are_sent_to_keystone(client, headers):
    answer = client.simulate_get("/compute/v2.1/servers", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{URL}"'


def test_while_keystone_is_away_clients_are_asked_to_wait(client):
    answer = client.simulate_get("/compute/v2.1/servers", headers={"X-Auth-Token": "unsure"})

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"


def test_check_learns_what_the_token_is_shown_for(client, checker):
    client.simulate_get("/compute/v2.1/servers/1", headers={"X-Auth-Token": "bad", "X-Service-Token": "of a service"})

    call = checker.calls[0]
    assert (call.service, call.method, call.path) == ("compute", "GET", "/v2.1/servers/1")
    assert call.service_token == "of a service"
    assert "of a service" not in repr(call)


def test_identity_cannot_be_asked_for_besides(parts):
    with pytest.raises(errors.ConfigError, match="identity"):
        make_app(parts, ["identity", "compute"])


def test_mode_needs_an_address(configured):
    with pytest.raises(errors.ConfigError, match="auth_url"):
        identity_conf.read(configured("mode = keystone\n"))


def test_mode_needs_a_password(configured):
    with pytest.raises(errors.ConfigError, match="identity register"):
        build(configured(f"mode = keystone\nauth_url = {URL}\n"))


def test_password_comes_from_its_file_and_is_not_shown(configured, tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/keystone.password").write_text("very-secret\n")

    options = identity_conf.read(configured(f"mode = keystone\nauth_url = {URL}/\n")).keystone

    assert options.password == "very-secret"
    assert options.auth_url == URL
    assert "very-secret" not in repr(options)


def test_apis_are_built_for_keystone(configured):
    built = build(configured(f"mode = keystone\nauth_url = {URL}\nservice_password = x\n"))

    assert built.parts.identity is None
    assert built.parts.auth_url == URL
    built.parts.database.dispose()
