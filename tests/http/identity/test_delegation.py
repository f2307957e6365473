"""What stories cannot write: requests that must be signed, or that need a passcode of this moment."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import time
import urllib.parse

import pytest

from nova_lite.identity import totp

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture
def send(client, world):
    """Send a request as somebody."""

    def do(method, path, who="demo", body=None, **headers):
        token = world.tokens.get(who)
        given = ({"X-Auth-Token": token} if token else {}) | headers
        return client.simulate_request(method, f"/identity/v3{path}", json=body, headers=given)

    return do


@pytest.fixture
def pair(send, world):
    body = {"tenant_id": world.names["demo_project"]}
    return send("POST", f"/users/{world.names['demo_user']}/credentials/OS-EC2", body=body).json["credential"]


def sign(pair, moment, secret=None):
    """Sign a request as version 2 says, in a few lines of our own."""
    params = {
        "AWSAccessKeyId": pair["access"],
        "Action": "DescribeInstances",
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    query = urllib.parse.urlencode(sorted(params.items()), quote_via=urllib.parse.quote)
    digest = hmac.digest((secret or pair["secret"]).encode(), f"GET\nec2.test\n/\n{query}".encode(), hashlib.sha256)
    signature = base64.b64encode(digest).decode()
    return {"access": pair["access"], "signature": signature, "verb": "GET", "host": "ec2.test", "path": "/", "params": params}


@pytest.mark.parametrize("name", ["credentials", "credential", "ec2Credentials"])
def test_a_signed_request_to_ec2_gives_a_token(send, pair, world, name):
    signed = sign(pair, datetime.datetime.now(datetime.UTC))

    answer = send("POST", "/ec2tokens", "admin", {name: signed})

    assert answer.status_code == 200
    token = answer.json["token"]
    assert token["methods"] == ["ec2credential"]
    assert token["user"]["id"] == world.names["demo_user"]
    assert token["project"]["id"] == world.names["demo_project"]
    fresh = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
    assert send("GET", "/auth/projects", None, **fresh).status_code == 200
    assert send("GET", "/credentials", None, **fresh).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/users/{user}/credentials/OS-EC2/{access}"),
        ("DELETE", "/credentials/{id}"),
        ("PATCH", "/credentials/{id}"),
    ],
)
def test_tokens_of_a_key_pair_end_with_it(send, pair, world, method, path):
    signed = sign(pair, datetime.datetime.now(datetime.UTC))
    token = send("POST", "/ec2tokens", "admin", {"credentials": signed}).headers["X-Subject-Token"]
    key = hashlib.sha256(pair["access"].encode()).hexdigest()
    blob = json.dumps({"access": pair["access"], "secret": "another", "trust_id": None})
    body = {"credential": {"blob": blob}} if method == "PATCH" else None
    place = path.format(user=world.names["demo_user"], access=pair["access"], id=key)

    assert send(method, place, body=body).status_code in (200, 204)

    assert send("GET", "/auth/projects", None, **{"X-Auth-Token": token}).status_code == 401


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_request_that_was_signed_long_ago_is_refused(send, pair, minutes):
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)

    assert send("POST", "/ec2tokens", "admin", {"credentials": sign(pair, moment)}).status_code == 401


def test_a_key_pair_of_a_disabled_user_gives_nothing(send, pair, world):
    send("PATCH", f"/users/{world.names['demo_user']}", "admin", {"user": {"enabled": False}})
    signed = sign(pair, datetime.datetime.now(datetime.UTC))

    assert send("POST", "/ec2tokens", "admin", {"credentials": signed}).status_code == 401


def test_a_signed_request_to_s3_tells_who_it_is_from(send, pair, world):
    text = b"GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/bucket/thing"
    signature = base64.b64encode(hmac.digest(pair["secret"].encode(), text, "sha1")).decode()
    signed = {"access": pair["access"], "signature": signature, "token": base64.urlsafe_b64encode(text).decode()}

    answer = send("POST", "/s3tokens", "admin", {"credentials": signed})

    assert answer.status_code == 200
    assert answer.json["token"]["user"]["id"] == world.names["demo_user"]
    assert "X-Subject-Token" not in answer.headers


def test_a_user_with_two_factors_gets_a_receipt_then_a_token(send, world):
    demo = world.names["demo_user"]
    send("POST", "/credentials", body={"credential": {"type": "totp", "blob": SEED, "user_id": demo}})
    rules = {"multi_factor_auth_enabled": True, "multi_factor_auth_rules": [["password", "totp"]]}
    assert send("PATCH", f"/users/{demo}", "admin", {"user": {"options": rules}}).status_code == 200
    by_password = {"methods": ["password"], "password": {"user": {"id": demo, "password": "the demo password"}}}
    code = totp.passcode(totp.read_secret(SEED), int(time.time() // totp.PERIOD_S))
    by_code = {"methods": ["totp"], "totp": {"user": {"id": demo, "passcode": code}}}

    first = send("POST", "/auth/tokens", None, {"auth": {"identity": by_password}})

    assert first.status_code == 401
    assert first.json["receipt"]["methods"] == ["password"]
    assert first.json["receipt"]["user"]["domain"] == {"id": "default", "name": "Default"}
    assert first.json["required_auth_methods"] == [["password", "totp"]]
    receipt = {"Openstack-Auth-Receipt": first.headers["Openstack-Auth-Receipt"]}
    second = send("POST", "/auth/tokens", None, {"auth": {"identity": by_code}}, **receipt)
    assert second.status_code == 201
    assert sorted(second.json["token"]["methods"]) == ["password", "totp"]


class Program:
    """A consumer of OAuth 1, signing as RFC 5849 says, in a few lines of our own."""

    def __init__(self, client, consumer):
        self.client, self.consumer, self.count = client, consumer, 0

    def send(self, path, token="", secret="", body=None, headers=None, **more):
        self.count += 1
        given = {
            "oauth_consumer_key": self.consumer["id"],
            "oauth_nonce": f"n{self.count}",
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(time.time())),
            **({"oauth_token": token} if token else {}),
            **more,
        }
        listed = urllib.parse.urlencode(sorted(given.items()), quote_via=urllib.parse.quote)
        url = f"http://falconframework.org/identity/v3{path}"
        text = "&".join(("POST", urllib.parse.quote(url, safe=""), urllib.parse.quote(listed, safe="")))
        digest = hmac.digest(f"{self.consumer['secret']}&{secret}".encode(), text.encode(), "sha1")
        given["oauth_signature"] = base64.b64encode(digest).decode()
        words = ", ".join(f'{name}="{urllib.parse.quote(value, safe="")}"' for name, value in given.items())
        headers = {"Authorization": f"OAuth {words}", **(headers or {})}
        return self.client.simulate_post(f"/identity/v3{path}", json=body, headers=headers)


def test_a_program_asks_is_authorized_and_logs_in_by_oauth(client, send, world):
    program = Program(client, send("POST", "/OS-OAUTH1/consumers", "admin", {"consumer": {}}).json["consumer"])
    asked = program.send("/OS-OAUTH1/request_token", headers={"Requested-Project-Id": world.names["admin_project"]})
    assert asked.status_code == 201
    key = dict(urllib.parse.parse_qsl(asked.text))

    answer = send("PUT", f"/OS-OAUTH1/authorize/{key['oauth_token']}", "admin", {"roles": [{"name": "reader"}]})
    verifier = {"oauth_verifier": answer.json["token"]["oauth_verifier"]}
    given = program.send("/OS-OAUTH1/access_token", key["oauth_token"], key["oauth_token_secret"], **verifier)
    assert given.status_code == 201
    access = dict(urllib.parse.parse_qsl(given.text))
    body = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}
    login = program.send("/auth/tokens", access["oauth_token"], access["oauth_token_secret"], body)

    assert login.status_code == 201
    token = login.json["token"]
    assert [role["name"] for role in token["roles"]] == ["reader"]
    assert token["OS-OAUTH1"] == {"access_token_id": access["oauth_token"], "consumer_id": program.consumer["id"]}
    place = f"/users/{world.names['admin_user']}/OS-OAUTH1/access_tokens"
    assert [each["id"] for each in send("GET", place, "admin").json["access_tokens"]] == [access["oauth_token"]]
    roles = send("GET", f"{place}/{access['oauth_token']}/roles", "admin").json["roles"]
    assert [role["name"] for role in roles] == ["reader"]
    assert send("DELETE", f"{place}/{access['oauth_token']}", "admin").status_code == 204
    ended = {"X-Auth-Token": login.headers["X-Subject-Token"]}
    assert send("GET", "/auth/projects", None, **ended).status_code == 401
