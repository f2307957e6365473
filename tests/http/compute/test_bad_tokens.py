"""Tokens that open nothing: expired ones, forged ones, and another cloud's."""

from __future__ import annotations

import dataclasses

import pytest

from nova_lite.clock import SystemClock
from nova_lite.conf.identity import IdentityOptions
from nova_lite.identity.service import ensure_all_keys, make_identity
from nova_lite.identity.tokens import Claims
from nova_lite.model.identity import Target


@pytest.fixture
def claims(world):
    now = SystemClock().wall()
    return Claims(
        user_id=world.names["demo_user"],
        user_name="demo",
        user_domain_id="default",
        methods=("password",),
        issued_at=now,
        expires_at=now + 60,
        audit_ids=("YXVkaXQ",),
        scope=Target.PROJECT,
        scope_id=world.names["demo_project"],
        scope_name="demo",
        scope_domain_id="default",
        roles=("member", "reader"),
    )


def of_the_cloud(parts, claims, _folder):
    return parts.tokens.issue(claims)


def expired(parts, claims, _folder):
    return parts.tokens.issue(dataclasses.replace(claims, issued_at=claims.issued_at - 120, expires_at=claims.issued_at - 1))


def forged(parts, claims, _folder):
    prefix, key_id, payload, mac = parts.tokens.issue(claims).split(".")
    return ".".join((prefix, key_id, payload[:-8] + "AAAAAAAA", mac))


def foreign(parts, claims, folder):
    ensure_all_keys(folder / "another cloud", 0.0)
    other = make_identity(parts.database, folder / "another cloud", IdentityOptions(), SystemClock())
    return other.tokens.issue(claims)


@pytest.mark.parametrize(("make", "status"), [(of_the_cloud, 200), (expired, 401), (forged, 401), (foreign, 401)])
def test_only_a_token_that_this_cloud_issued_and_that_is_not_over_opens_it(client, parts, claims, tmp_path, make, status):
    token = make(parts, claims, tmp_path)

    answer = client.simulate_get("/compute/v2.1/servers", headers={"X-Auth-Token": token})

    assert answer.status_code == status
    assert token not in answer.text
