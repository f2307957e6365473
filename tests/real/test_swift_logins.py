"""Images in a Swift whose users are those of a Keystone: of a real one, and of the embedded Identity."""

from __future__ import annotations

import socketserver
import subprocess
import threading
import uuid
import wsgiref.simple_server
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v3
from real.keystone import PASSWORD, REGION
from real.rabbit import free_ports
from real.swift import Login, Swift, reason_against
from real.two_identities import our_app

from nova_lite import errors
from nova_lite.image.stores.base import key_of
from nova_lite.image.stores.registry import make_store
from nova_lite.image.stores.swift import SwiftStore

pytestmark = [pytest.mark.swift, pytest.mark.slow]

# The proxy asks the Identity for each token, as its own user.
FILTERS = """
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
auth_url = {url}
www_authenticate_uri = {url}
auth_type = password
username = admin
password = {password}
project_name = admin
user_domain_name = Default
project_domain_name = Default
delay_auth_decision = true
token_cache_time = -1
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
"""


class Threads(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def embedded(tmp_path_factory) -> Iterator[str]:
    """The URL of an embedded Identity."""
    (port,) = free_ports(1)
    app = our_app(tmp_path_factory.mktemp("identity"), f"http://127.0.0.1:{port}")
    with wsgiref.simple_server.make_server("127.0.0.1", port, app, Threads, Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{port}/identity/v3"
        server.shutdown()


@pytest.fixture(scope="module", params=["embedded", "keystone"])
def auth_url(request) -> str:
    """The URL of either."""
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, str) else found.url


@pytest.fixture(scope="module")
def swift(auth_url: str) -> Iterator[Swift]:
    """A Swift with its address in the catalog."""
    why_not = reason_against()
    if why_not or subprocess.run(["/usr/bin/python3", "-c", "import keystonemiddleware"], check=False, timeout=60).returncode:
        pytest.skip(why_not or "Swift has no python3-keystonemiddleware")
    server = Swift(Login("authtoken keystoneauth", FILTERS.format(url=auth_url, password=PASSWORD)))
    try:
        server.start()
        service = ask(auth_url, "POST", "/services", service={"type": "object-store", "name": "swift"})["service"]["id"]
        address = f"http://127.0.0.1:{server.port}/v1/AUTH_%(project_id)s"
        endpoint = {"service_id": service, "interface": "internal", "region_id": REGION, "url": address}
        ask(auth_url, "POST", "/endpoints", endpoint=endpoint)
        yield server
    finally:
        server.remove()


def ask(auth_url: str, method: str, path: str, **body: object) -> dict:
    """Ask as the administrator."""
    return administrator(auth_url).request(auth_url + path, method, json=body).json()


def administrator(auth_url: str) -> session.Session:
    login = v3.Password(
        auth_url, username="admin", password=PASSWORD, project_name="admin", user_domain_name="Default",
        project_domain_name="Default",
    )  # fmt: skip
    return session.Session(auth=login, timeout=30)


@pytest.fixture
def make(auth_url: str, swift: Swift, tmp_path: Path) -> Callable[..., SwiftStore]:
    """The function that makes a store with a login."""

    def made(**login: str) -> SwiftStore:
        path = tmp_path / f"{uuid.uuid4().hex}.ini"
        path.touch(mode=0o600)
        path.write_text("[swift]\n" + "".join(f"{name} = {value}\n" for name, value in login.items()))
        store = make_store(f"swift://images?auth_url={auth_url}&region={REGION}&interface=internal&credentials={path}")
        store.segment_bytes = 1 << 20
        return store

    return made


def test_a_password_and_an_application_credential_open_the_same_container(make, auth_url):
    by_password = make(username="admin", password=PASSWORD, project_name="admin")
    by_password.api._call("PUT", None)
    user = administrator(auth_url).get_user_id()
    path = f"/users/{user}/application_credentials"
    made = ask(auth_url, "POST", path, application_credential={"name": uuid.uuid4().hex})["application_credential"]
    by_credential = make(application_credential_id=made["id"], application_credential_secret=made["secret"])
    data = bytes(range(256)) * 10_000

    writing = by_credential.begin(key_of(str(uuid.uuid4()), str(uuid.uuid4())), len(data))
    writing.append(data)
    location = writing.finalize()
    writing.close()

    assert by_password.open(location, 0, len(data)).read() == data
    by_password.delete(location)
    assert by_credential.api.entries("") == []
    with pytest.raises(errors.NotFound):
        by_credential.size(location)


def test_a_token_that_was_revoked_is_replaced(make):
    store = make(username="admin", password=PASSWORD, project_name="admin")
    store.api._call("PUT", None)
    connected = store.api._connected()
    token = connected.get_token()
    connected.delete(f"{connected.auth.auth_url}/auth/tokens", headers={"X-Subject-Token": token}, authenticated=True)

    assert store.api.entries("") == []
    assert connected.get_token() != token


def test_a_wrong_password_is_an_outage(make):
    store = make(username="admin", password="wrong", project_name="admin")

    with pytest.raises(errors.Unavailable):
        store.size(f"swift:{key_of(str(uuid.uuid4()), str(uuid.uuid4()))}")
