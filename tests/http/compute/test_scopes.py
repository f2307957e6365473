"""Tokens of a domain: they are of no project, and no project's things are theirs."""

from __future__ import annotations

import dataclasses

import pytest

from nova_lite.identity.tokens import new_audit_id
from nova_lite.model.identity import Target

DOMAIN = {"scope": Target.DOMAIN, "scope_id": "default", "scope_name": "Default", "scope_domain_id": None}


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /servers", 403),
        ("GET /limits", 200),
        ("GET /flavors", 200),
        ("POST /servers", 403),
        ("GET /os-quota-sets/None", 403),
    ],
)
def test_a_manager_of_a_domain_reaches_no_project_by_its_token(client, world, cloud, variables, request_line, status):
    tokens = cloud[1].tokens
    claims = tokens.read(world.tokens["manager"])
    token = tokens.issue(dataclasses.replace(claims, audit_ids=(new_audit_id(),), **DOMAIN))
    method, path = request_line.split()
    body = {"server": {"name": "s", "flavorRef": "1", "imageRef": variables["image"]}} if method == "POST" else None

    answer = client.simulate_request(method, f"/compute/v2.1{path}", json=body, headers={"X-Auth-Token": token})

    assert answer.status_code == status, answer.text
