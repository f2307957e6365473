"""A list costs as many SQL statements for many rows as for few."""

from __future__ import annotations

import contextlib

import falcon.testing
import pytest
import sqlalchemy as sa

from nova_lite.api.app import make_app

LISTS = (
    "/users",
    "/groups",
    "/projects",
    "/projects/{demo_project}?subtree_as_list&include_limits",
    "/projects/{demo_project}?subtree_as_ids",
    "/domains",
    "/roles",
    "/role_inferences",
    "/role_assignments",
    "/role_assignments?include_names",
    "/role_assignments?effective",
    "/role_assignments?effective&include_names",
    "/role_assignments?scope.project.id={demo_project}&include_subtree&effective&include_names",
    "/users/{demo_user}/projects",
    "/users/{demo_user}/groups",
    "/groups/{crew}/users",
    "/projects/{demo_project}/users/{demo_user}/roles",
    "/auth/projects",
    "/auth/domains",
    "/users/{demo_user}/application_credentials",
    "/regions",
    "/services",
    "/endpoints",
    "/credentials",
    "/registered_limits",
    "/limits",
    "/policies",
    "/OS-OAUTH1/consumers",
    "/OS-TRUST/trusts?trustor_user_id={demo_user}",
    "/OS-EP-FILTER/endpoint_groups",
)


@pytest.fixture
def client(parts):
    return falcon.testing.TestClient(make_app(parts, ["identity"]))


@pytest.fixture
def ask(client, world):
    """Send a request as somebody."""

    def do(method, path, body=None, who="admin"):
        headers = {"X-Auth-Token": world.tokens[who]}
        got = client.simulate_request(method, f"/identity/v3{path}", json=body, headers=headers)
        assert got.status_code < 300, f"{method} {path}: {got.status_code} {got.text}"
        return got.json if got.text else None

    return do


@pytest.fixture
def count(database):
    """Count the statements of what is done inside."""

    @contextlib.contextmanager
    def counting():
        sent = []

        def note(*arguments):
            sent.append(arguments[2])

        sa.event.listen(database.engine, "before_cursor_execute", note)
        try:
            yield sent
        finally:
            sa.event.remove(database.engine, "before_cursor_execute", note)

    return counting


@pytest.fixture
def more(ask, world):
    """Give a function that adds one of everything that lists show."""
    names = dict(world.names)
    names["crew"] = ask("POST", "/groups", {"group": {"name": "crew"}})["group"]["id"]
    service = ask("GET", "/services?type=identity")["services"][0]["id"]
    demo, project = names["demo_user"], names["demo_project"]

    def add(number):
        name = f"more {number}"
        user = ask("POST", "/users", {"user": {"name": name}})["user"]["id"]
        group = ask("POST", "/groups", {"group": {"name": name}})["group"]["id"]
        inner = ask("POST", "/projects", {"project": {"name": name, "parent_id": project}})["project"]["id"]
        domain = ask("POST", "/domains", {"domain": {"name": name}})["domain"]["id"]
        role = ask("POST", "/roles", {"role": {"name": name}})["role"]["id"]
        ask("PUT", f"/roles/{role}/implies/{names['reader_role']}")
        for place in (f"/projects/{project}", f"/projects/{inner}", f"/domains/{domain}"):
            for actor in (f"/users/{user}", f"/groups/{group}", f"/users/{demo}", f"/groups/{names['crew']}"):
                ask("PUT", f"{place}{actor}/roles/{role}")
        ask("PUT", f"/OS-INHERIT/projects/{project}/groups/{group}/roles/{role}/inherited_to_projects")
        for one in (user, demo):
            ask("PUT", f"/groups/{group}/users/{one}")
        ask("PUT", f"/groups/{names['crew']}/users/{user}")
        region = ask("POST", "/regions", {"region": {"description": name}})["region"]["id"]
        ask("POST", "/services", {"service": {"type": name}})
        ask(
            "POST",
            "/endpoints",
            {"endpoint": {"service_id": service, "interface": "public", "url": "http://x", "region_id": region}},
        )
        registered = {"service_id": service, "resource_name": name, "default_limit": 5}
        ask("POST", "/registered_limits", {"registered_limits": [registered]})
        limit = {"service_id": service, "resource_name": name, "resource_limit": 3, "project_id": inner}
        ask("POST", "/limits", {"limits": [limit]})
        ask("POST", "/policies", {"policy": {"type": "text/plain", "blob": name}})
        ask("POST", "/OS-OAUTH1/consumers", {"consumer": {"description": name}})
        filters = {"name": name, "filters": {"interface": "public"}}
        ask("POST", "/OS-EP-FILTER/endpoint_groups", {"endpoint_group": filters})

    def add_of_demo(number):
        name = f"more {number}"
        ask("POST", "/credentials", {"credential": {"type": "cert", "blob": name, "user_id": demo}}, "admin")

    def both(number):
        add(number)
        add_of_demo(number)

    return names, both


def test_no_list_costs_more_statements_for_more_rows(ask, more, count):
    names, add = more
    counts = []
    for number in range(3):
        add(number)
        if number == 1:
            continue
        found = {}
        for path in LISTS:
            with count() as sent:
                ask("GET", path.format(**names))
            found[path] = len(sent)
        counts.append(found)

    assert counts[0] == counts[1]
    assert max(counts[1].values()) <= 16, counts[1]


def test_credentials_and_trusts_of_a_user_cost_no_more_for_more(ask, more, count, world):
    names, _ = more
    demo, other = names["demo_user"], names["other_user"]
    trust = {"trustor_user_id": demo, "trustee_user_id": other, "impersonation": True, "project_id": names["demo_project"]}
    paths = (f"/users/{demo}/application_credentials", f"/OS-TRUST/trusts?trustor_user_id={demo}")
    counts = []
    for number in range(3):
        body = {"application_credential": {"name": f"more {number}"}}
        ask("POST", f"/users/{demo}/application_credentials", body, "demo")
        ask("POST", "/OS-TRUST/trusts", {"trust": trust | {"roles": [{"name": "member"}]}}, "demo")
        for path in paths:
            with count() as sent:
                ask("GET", path, who="demo")
            counts.append((path, len(sent)))

    assert len(set(counts)) == len(paths), counts
