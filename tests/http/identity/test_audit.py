"""What the audit log holds of requests, and what it never holds."""

from __future__ import annotations

import falcon.testing
import orjson
import pytest

from nova_lite.api.app import make_app
from nova_lite.identity.audit import AuditLog


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log" / "audit.log"


@pytest.fixture
def extra_parts(log):
    return {"audit": AuditLog(log)}


@pytest.fixture
def client(parts):
    return falcon.testing.TestClient(make_app(parts, ["identity", "compute"]))


def events(log):
    return [orjson.loads(line) for line in log.read_bytes().splitlines()] if log.exists() else []


def log_in(client, password, name="demo"):
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    return client.simulate_post("/identity/v3/auth/tokens", json=body, remote_addr="192.0.2.7")


def test_logins_are_kept_with_who_and_from_where_and_without_secrets(client, log, world):
    assert log_in(client, "the demo password").status_code == 201
    assert log_in(client, "the wrong password").status_code == 401
    assert log_in(client, "the wrong password", "no one").status_code == 401

    good, bad, unknown = events(log)
    assert (good["action"], good["outcome"], good["initiator"]["id"]) == ("authenticate", "success", world.names["demo_user"])
    assert good["initiator"]["host"] == {"address": "192.0.2.7"}
    assert good["initiator"]["request_id"].startswith("req-")
    assert (bad["outcome"], bad["initiator"]["name"], bad["reason"]["reasonCode"]) == ("failure", "demo", "401")
    assert "id" not in bad["initiator"]
    assert unknown["initiator"]["name"] == "no one"
    assert b"password" not in log.read_bytes().replace(b"/password", b"")
    assert b"nl1." not in log.read_bytes()


def test_changes_name_what_was_changed(client, log, world):
    headers = {"X-Auth-Token": world.tokens["admin"]}
    names = world.names
    made = client.simulate_post(
        "/identity/v3/users", json={"user": {"name": "ann", "password": "a secret of hers"}}, headers=headers
    ).json["user"]["id"]
    grant = f"/identity/v3/projects/{names['demo_project']}/users/{made}/roles/{names['reader_role']}"
    assert client.simulate_put(grant, headers=headers).status_code == 204
    assert client.simulate_delete(grant, headers=headers).status_code == 204
    assert (
        client.simulate_patch(f"/identity/v3/users/{made}", json={"user": {"enabled": False}}, headers=headers).status_code
        == 200
    )

    kept = events(log)
    assert [event["action"] for event in kept] == [
        "created.user",
        "created.role_assignment",
        "deleted.role_assignment",
        "updated.user",
    ]
    assert kept[0]["target"] == {"typeURI": "data/security/user", "id": made}
    assert kept[1]["target"]["id"] == names["reader_role"]
    assert {each["name"]: each["content"] for each in kept[1]["attachments"]} == {
        "project_id": names["demo_project"],
        "user_id": made,
    }
    assert {event["initiator"]["id"] for event in kept} == {names["admin_user"]}
    assert b"a secret of hers" not in log.read_bytes()


def test_refusals_of_what_only_admins_may_do_are_kept_for_every_service(client, log, world):
    headers = {"X-Auth-Token": world.tokens["demo"]}
    assert client.simulate_get("/identity/v3/users", headers=headers).status_code == 403
    assert client.simulate_get("/compute/v2.1/os-services", headers=headers).status_code == 403
    assert (
        client.simulate_post("/compute/v2.1/os-keypairs", json={"keypair": {"name": "k"}}, headers=headers).status_code == 200
    )
    assert client.simulate_post("/identity/v3/users", json={"user": {"name": "x"}}, headers=headers).status_code == 403

    kept = [(event["action"], event["outcome"], event["reason"]["policyType"]) for event in events(log)]
    assert kept == [
        ("read.user", "failure", "identity:list_users"),
        ("read.os_service", "failure", "os_compute_api:os-services:list"),
        ("created.user", "failure", "identity:create_user"),
    ]


def test_reading_and_bad_input_are_not_kept(client, log, world):
    headers = {"X-Auth-Token": world.tokens["admin"]}
    assert client.simulate_get("/identity/v3/users", headers=headers).status_code == 200
    assert client.simulate_post("/identity/v3/users", json={"user": {}}, headers=headers).status_code == 400

    assert events(log) == []


def test_the_log_is_its_owners_alone_and_follows_a_rotation(client, log):
    log_in(client, "wrong")
    assert log.stat().st_mode & 0o777 == 0o600

    log.rename(log.with_suffix(".1"))
    log_in(client, "wrong")

    assert len(events(log)) == len(events(log.with_suffix(".1"))) == 1


def test_a_log_that_cannot_be_written_stops_nobody_and_is_told(client, log, caplog):
    log.parent.write_text("a file where the folder should be")

    assert log_in(client, "the demo password").status_code == 201

    assert "cannot be written" in caplog.text
    assert "authenticate" in caplog.text
