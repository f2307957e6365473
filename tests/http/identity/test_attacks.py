"""What somebody may try who holds a token, and must not get by it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from nova_lite.identity.tokens import new_audit_id

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture
def send(client, world):
    """Send a request as somebody, or with a token."""

    def do(method, path, who="demo", body=None, **headers):
        given = {"X-Auth-Token": world.tokens.get(who, who), **headers}
        return client.simulate_request(method, f"/identity/v3{path}", json=body, headers=given)

    return do


@pytest.fixture
def token_of(world, cloud):
    """Make a token of somebody whose claims differ from those of its usual one."""

    def do(who, **changes):
        tokens = cloud[1].tokens
        claims = tokens.read(world.tokens[who])
        return tokens.issue(dataclasses.replace(claims, audit_ids=(new_audit_id(),), **changes))

    return do


def give_trust(send, world, **more):
    """Let demo act for admin, as a reader."""
    body = {
        "trustor_user_id": world.names["admin_user"],
        "trustee_user_id": world.names["demo_user"],
        "project_id": world.names["admin_project"],
        "roles": [{"name": "reader"}],
        "impersonation": True,
        **more,
    }
    return send("POST", "/OS-TRUST/trusts", "admin", {"trust": body}).json["trust"]


def by_trust(send, world, trust):
    """Log demo in by a trust."""
    user = {"id": world.names["demo_user"], "password": "the demo password"}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"OS-TRUST:trust": {"id": trust["id"]}}}
    answer = send("POST", "/auth/tokens", "nobody", {"auth": auth})
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Subject-Token"]


def make_credential(send, world, who, user="admin", **more):
    path = f"/users/{world.names[f'{user}_user']}/application_credentials"
    return send("POST", path, who, {"application_credential": {"name": "mine", **more}})


def test_a_trust_makes_no_application_credential_of_the_trustor(send, world):
    token = by_trust(send, world, give_trust(send, world))

    assert make_credential(send, world, token).status_code == 403


@pytest.mark.parametrize("way", [{"methods": ("ec2credential",)}, {"methods": ("oauth1",), "access_token_id": "a" * 32}])
def test_what_is_delegated_makes_no_application_credential(send, world, token_of, way):
    assert make_credential(send, world, token_of("admin", **way, roles=("reader",))).status_code == 403


def test_an_application_credential_gets_no_more_roles_than_the_token_it_is_made_with(send, world):
    first = make_credential(send, world, "admin", unrestricted=True, roles=[{"name": "reader"}]).json["application_credential"]
    shown = {"id": first["id"], "secret": first["secret"]}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": shown}}
    token = send("POST", "/auth/tokens", "nobody", {"auth": auth}).headers["X-Subject-Token"]

    second = make_credential(send, world, token, name="second")
    third = make_credential(send, world, token, name="third", roles=[{"name": "admin"}])

    assert [role["name"] for role in second.json["application_credential"]["roles"]] == ["reader"]
    assert third.status_code == 400


def test_an_auditor_sees_that_there_are_secrets_and_not_what_they_are(send, world):
    admin = world.names["admin_user"]
    totp = {"type": "totp", "blob": SEED, "user_id": admin}
    made = send("POST", "/credentials", "admin", {"credential": totp}).json["credential"]
    body = {"tenant_id": world.names["admin_project"]}
    pair = send("POST", f"/users/{admin}/credentials/OS-EC2", "admin", body).json["credential"]
    for path in (
        "/credentials",
        f"/credentials/{made['id']}",
        f"/credentials?blob__contains={SEED}",
        f"/users/{admin}/credentials/OS-EC2",
        f"/users/{admin}/credentials/OS-EC2/{pair['access']}",
    ):
        answer = send("GET", path, "auditor")

        assert answer.status_code == 200
        assert pair["secret"] not in answer.text
        found = answer.json.get("credentials", [answer.json.get("credential")])
        assert all(SEED not in str(each) for each in found)
    assert SEED in send("GET", "/credentials", "admin").text


def test_a_used_up_trust_can_still_be_taken_back(send, world):
    trust = give_trust(send, world, remaining_uses=1)
    token = by_trust(send, world, trust)

    assert send("DELETE", f"/OS-TRUST/trusts/{trust['id']}", "admin").status_code == 204
    assert send("GET", "/auth/projects", token).status_code == 401


EXTRA = [
    {"tags": 5},
    {"tags": [1]},
    {"options": "x"},
    {"options": [1]},
    {"links": 1},
    {"enabled": "x"},
    {"id": {}},
    {"name": 5},
]
NOUNS = {
    "users": ("user", {"name": "x"}),
    "groups": ("group", {"name": "x"}),
    "projects": ("project", {"name": "x"}),
    "domains": ("domain", {"name": "x"}),
    "roles": ("role", {"name": "x"}),
    "regions": ("region", {}),
    "services": ("service", {"type": "x"}),
    "policies": ("policy", {"type": "x", "blob": "{}"}),
    "OS-OAUTH1/consumers": ("consumer", {"description": "x"}),
}


@pytest.mark.parametrize("extra", EXTRA, ids=json.dumps)
@pytest.mark.parametrize("path", NOUNS)
def test_fields_of_other_things_are_kept_or_refused(send, path, extra):
    noun, body = NOUNS[path]
    made = send("POST", f"/{path}", "admin", {noun: body | extra})
    assert made.status_code in (201, 400)
    plain = send("POST", f"/{path}", "admin", {noun: body})
    if plain.status_code == 201:
        changed = send("PATCH", f"/{path}/{plain.json[noun]['id']}", "admin", {noun: extra})
        assert changed.status_code in (200, 400, 404)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:00", "9999-12-31T23:59:59.9999999", "0001-01-01T00:00:00+23:00"])
def test_the_end_of_time_is_a_bad_request_or_shown(send, world, moment):
    assert make_credential(send, world, "admin", expires_at=moment).status_code in (201, 400)
    trust = {
        "trustor_user_id": world.names["admin_user"],
        "trustee_user_id": world.names["demo_user"],
        "project_id": world.names["admin_project"],
        "roles": [{"name": "reader"}],
        "impersonation": True,
        "expires_at": moment,
    }
    assert send("POST", "/OS-TRUST/trusts", "admin", {"trust": trust}).status_code in (201, 400)


def test_a_nul_in_an_oauth_header_is_a_bad_request(client):
    header = 'OAuth oauth_consumer_key="%00", oauth_token="%00", oauth_signature_method="HMAC-SHA1"'
    for path in ("request_token", "access_token"):
        answer = client.simulate_post(
            f"/identity/v3/OS-OAUTH1/{path}", headers={"Authorization": header, "Requested-Project-Id": "x"}
        )
        assert answer.status_code == 400


def test_projects_are_looked_for_only_after_the_signature(client, send):
    consumer = send("POST", "/OS-OAUTH1/consumers", "admin", {"consumer": {}}).json["consumer"]
    header = f'OAuth oauth_consumer_key="{consumer["id"]}", oauth_signature_method="HMAC-SHA1", oauth_signature="x"'
    answer = client.simulate_post(
        "/identity/v3/OS-OAUTH1/request_token", headers={"Authorization": header, "Requested-Project-Id": "nowhere"}
    )
    assert answer.status_code == 401


def test_a_role_of_a_domain_is_not_taken_for_the_global_one_of_its_name(send, world):
    role = {"name": "reader", "domain_id": "default"}
    assert send("POST", "/roles", "admin", {"role": role}).status_code == 201

    trust = give_trust(send, world)
    token = by_trust(send, world, trust)
    shown = send("GET", "/auth/tokens", "admin", **{"X-Subject-Token": token}).json["token"]

    assert [role["id"] for role in trust["roles"]] == [world.names["reader_role"]]
    assert [role["id"] for role in shown["roles"]] == [world.names["reader_role"]]


def test_a_token_shows_its_own_audit_id_and_the_first_of_its_chain(send, world):
    token, shown = world.tokens["demo"], []
    for _ in range(3):
        auth = {"identity": {"methods": ["token"], "token": {"id": token}}}
        answer = send("POST", "/auth/tokens", "nobody", {"auth": auth})
        token = answer.headers["X-Subject-Token"]
        shown.append(answer.json["token"]["audit_ids"])

    assert [len(ids) for ids in shown] == [2, 2, 2]
    assert len({ids[1] for ids in shown}) == 1
