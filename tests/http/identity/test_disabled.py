"""A user, a project, or the domain of either that is disabled: no way of logging in gives a token, and those there were end."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import urllib.parse

import pytest

from nova_lite.identity import totp

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PASSWORD = "a password of eve's"


@pytest.fixture
def send(client, world):
    """Send a request as somebody, or with a token."""

    def do(method, path, who="admin", body=None):
        given = {"X-Auth-Token": world.tokens.get(who, who)} if who else {}
        return client.simulate_request(method, f"/identity/v3{path}", json=body, headers=given)

    return do


@pytest.fixture
def there(send, world):
    """Make eve, of a domain of her own, who is a member of a project in another; give the addresses of the four."""

    def make(noun, **fields):
        return send("POST", f"/{noun}s", body={noun: {"name": "there", **fields}}).json[noun]["id"]

    homes = {"the user's domain": make("domain"), "the project's domain": make("domain", name="elsewhere")}
    user = make("user", name="eve", password=PASSWORD, domain_id=homes["the user's domain"])
    project = make("project", domain_id=homes["the project's domain"])
    granted = send("PUT", f"/projects/{project}/users/{user}/roles/{world.names['member_role']}")
    assert granted.status_code == 204
    return {"the user": user, "the project": project, **homes}


@pytest.fixture
def ways(send, there, world):
    """Give all ways for eve, or in her name, to log in to the project: functions that give an answer."""
    user, scope = {"id": there["the user"], "password": PASSWORD}, {"project": {"id": there["the project"]}}

    def log_in(scope, **identity):
        auth = {"identity": {"methods": [*identity], **identity}} | ({"scope": scope} if scope else {})
        return send("POST", "/auth/tokens", None, {"auth": auth})

    def by_passcode():
        now = datetime.datetime.now(datetime.UTC).timestamp()
        code = totp.passcode(totp.read_secret(SEED), int(now // totp.PERIOD_S))
        return log_in(scope, totp={"user": {"id": user["id"], "passcode": code}})

    unscoped = log_in("unscoped", password={"user": user}).headers["X-Subject-Token"]
    token = log_in(scope, password={"user": user}).headers["X-Subject-Token"]
    place = f"/users/{user['id']}"
    made = send("POST", f"{place}/application_credentials", token, {"application_credential": {"name": "mine"}}).json
    shown = {name: made["application_credential"][name] for name in ("id", "secret")}
    pair = send("POST", f"{place}/credentials/OS-EC2", token, {"tenant_id": there["the project"]}).json["credential"]
    seeded = {"type": "totp", "blob": SEED, "user_id": user["id"]}
    assert send("POST", "/credentials", token, {"credential": seeded}).status_code == 201
    trust = _trust(send, there, world, token)
    demo = {"id": world.names["demo_user"], "password": "the demo password"}
    return {
        "password": lambda: log_in(scope, password={"user": user}),
        "passcode": by_passcode,
        "token": lambda: log_in(scope, token={"id": unscoped}),
        "application credential": lambda: log_in(None, application_credential=shown),
        "key pair": lambda: send("POST", "/ec2tokens", body={"credentials": signed_by(pair)}),
        "trust": lambda: log_in({"OS-TRUST:trust": {"id": trust}}, password={"user": demo}),
    }


def _trust(send, there, world, token):
    """Let demo act for eve."""
    named = {"trustor_user_id": there["the user"], "trustee_user_id": world.names["demo_user"], "impersonation": True}
    body = {"trust": {**named, "project_id": there["the project"], "roles": [{"name": "member"}]}}
    return send("POST", "/OS-TRUST/trusts", token, body).json["trust"]["id"]


def signed_by(pair):
    """Sign a request to EC2 as its version 2 says."""
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    params = {"AWSAccessKeyId": pair["access"], "SignatureMethod": "HmacSHA256", "SignatureVersion": "2", "Timestamp": moment}
    query = urllib.parse.urlencode(sorted(params.items()), quote_via=urllib.parse.quote)
    digest = hmac.digest(pair["secret"].encode(), f"GET\nec2.test\n/\n{query}".encode(), hashlib.sha256)
    signature = base64.b64encode(digest).decode()
    return {"access": pair["access"], "signature": signature, "verb": "GET", "host": "ec2.test", "path": "/", "params": params}


@pytest.fixture
def switch(send, there):
    """Enable or disable one of the four."""

    def do(what, enabled):
        noun = "domain" if "domain" in what else what.removeprefix("the ")
        changed = send("PATCH", f"/{noun}s/{there[what]}", body={noun: {"enabled": enabled}})
        assert changed.status_code == 200, changed.text

    return do


@pytest.mark.parametrize("what", ["the user", "the project", "the user's domain", "the project's domain"])
def test_nobody_gets_in_by_what_is_disabled_and_everybody_does_again(send, ways, switch, what):
    before = {name: way() for name, way in ways.items() if name != "passcode"}  # each passcode is good once
    assert {answer.status_code for answer in before.values()} <= {200, 201}

    switch(what, False)
    refused = {name: way() for name, way in ways.items()}

    assert {answer.status_code for answer in refused.values()} <= {401, 403}, refused
    assert not any("X-Subject-Token" in answer.headers for answer in refused.values())
    ended = {name: send("GET", "/auth/projects", answer.headers["X-Subject-Token"]) for name, answer in before.items()}
    assert {name: answer.status_code for name, answer in ended.items()} == dict.fromkeys(before, 401)

    switch(what, True)
    again = {name: way() for name, way in ways.items() if name != "token"}  # the one it is made of may have ended
    wanted = {200, 201}
    assert {name for name, answer in again.items() if answer.status_code not in wanted} <= {"passcode"}, again
