"""Names at their limits and beyond, values of wrong types, text that looks like SQL: taken as it is, or 400 and nothing changes."""

from __future__ import annotations

import pytest

from nova_lite.db import identity as db

SQL = "x'); DROP TABLE users; --"
ODD_NAMES = ("two words", "👩‍🚀", SQL, "%s %(name)s {0} \\", "<b>&amp;</b>", "Ünïcödé", "a" * 64)
# noun -> (the longest name, where its list is)
NAMED = {
    "user": (255, "/users"),
    "group": (255, "/groups"),
    "role": (255, "/roles"),
    "project": (64, "/projects"),
    "domain": (64, "/domains"),
}
WRONG = (5, True, [], ["a"], {}, {"a": 1}, None, "", "   ")
TYPES = (
    ("user", "enabled", "yes"),
    ("user", "enabled", 1),
    ("user", "domain_id", 5),
    ("user", "default_project_id", []),
    ("user", "description", 5),
    ("user", "password", 5),
    ("user", "options", []),
    ("user", "options", {"unheard_of": True}),
    ("user", "options", {"lock_password": "yes"}),
    ("user", "options", {"multi_factor_auth_rules": ["password"]}),
    ("group", "domain_id", 5),
    ("group", "description", {}),
    ("role", "domain_id", 5),
    ("role", "description", 5),
    ("role", "options", {"immutable": "yes"}),
    ("project", "enabled", "no"),
    ("project", "is_domain", "no"),
    ("project", "domain_id", 5),
    ("project", "parent_id", 5),
    ("project", "tags", "blue"),
    ("project", "tags", ["a,b"]),
    ("project", "tags", ["a/b"]),
    ("project", "tags", ["a", "a"]),
    ("project", "tags", [""]),
    ("project", "tags", [str(number) for number in range(81)]),
    ("project", "options", {"unheard_of": 1}),
    ("domain", "enabled", 0),
    ("domain", "description", 5),
    ("domain", "explicit_domain_id", "no uuid"),
)


@pytest.fixture
def ask(client, world):
    """Send a request as the administrator."""

    def do(method, path, body=None, who="admin"):
        headers = {"X-Auth-Token": world.tokens[who]}
        return client.simulate_request(method, f"/identity/v3{path}", json=body, headers=headers)

    return do


@pytest.fixture
def rows(database):
    """Count what there is."""

    def count():
        with database.read() as tx:
            return [len(table.list_by(tx)) for table in (db.USERS, db.GROUPS, db.ROLES, db.PROJECTS)]

    return count


@pytest.mark.parametrize("noun", NAMED)
def test_a_name_may_be_as_long_as_its_limit_and_no_longer(ask, rows, noun):
    longest, path = NAMED[noun]
    assert ask("POST", path, {noun: {"name": "n" * longest}}).status_code == 201
    before = rows()

    refused = ask("POST", path, {noun: {"name": "n" * (longest + 1)}})

    assert refused.status_code == 400
    assert refused.json["error"]["code"] == 400
    assert rows() == before


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("noun", NAMED)
def test_an_odd_name_is_kept_and_found_as_it_is(ask, client, world, noun, name):
    path = NAMED[noun][1]
    made = ask("POST", path, {noun: {"name": name}})
    headers = {"X-Auth-Token": world.tokens["admin"]}

    found = client.simulate_get(f"/identity/v3{path}", params={"name": name}, headers=headers)

    assert made.status_code == 201
    assert [one["name"] for one in found.json[noun + "s"]] == [name]


@pytest.mark.parametrize("name", WRONG, ids=repr)
@pytest.mark.parametrize("noun", NAMED)
def test_a_name_that_is_none_is_refused_and_nothing_is_made(ask, rows, noun, name):
    before = rows()

    refused = ask("POST", NAMED[noun][1], {noun: {"name": name}})

    assert refused.status_code == 400
    assert refused.json["error"]["title"] == "Bad Request"
    assert rows() == before


@pytest.mark.parametrize(("noun", "field", "value"), TYPES)
def test_a_field_of_a_wrong_type_is_refused_on_creation_and_on_change(ask, rows, noun, field, value):
    path = NAMED[noun][1]
    one = ask("POST", path, {noun: {"name": "fine"}}).json[noun]["id"]
    before, shown = rows(), ask("GET", f"{path}/{one}").json

    assert ask("POST", path, {noun: {"name": "odd", field: value}}).status_code == 400
    if field != "explicit_domain_id":
        assert ask("PATCH", f"{path}/{one}", {noun: {field: value}}).status_code in (400, 403)

    assert rows() == before
    assert ask("GET", f"{path}/{one}").json == shown


@pytest.mark.parametrize(
    "path", ["/users", "/groups", "/projects", "/domains", "/roles", "/regions", "/services", "/endpoints"]
)
@pytest.mark.parametrize("body", [None, [], "text", 5, {}, {"unheard_of": {}}], ids=repr)
def test_a_body_that_is_no_such_thing_is_refused(ask, path, body):
    assert ask("POST", path, body).status_code in (400, 411)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/users", {"user": {"name": "x", "domain_id": "nowhere"}}, 404),
        ("POST", "/groups", {"group": {"name": "x", "domain_id": "nowhere"}}, 404),
        ("POST", "/roles", {"role": {"name": "x", "domain_id": "nowhere"}}, 404),
        ("POST", "/projects", {"project": {"name": "x", "domain_id": "nowhere"}}, 400),
        ("POST", "/projects", {"project": {"name": "x", "is_domain": True, "domain_id": "nowhere"}}, 400),
        ("PATCH", "/users/{demo_user}", {"user": {"domain_id": "nowhere"}}, 400),
        ("PATCH", "/projects/{demo_project}", {"project": {"domain_id": "nowhere"}}, 400),
        ("PUT", "/domains/nowhere/users/{demo_user}/roles/{member_role}", None, 404),
        ("PUT", "/OS-INHERIT/domains/nowhere/users/{demo_user}/roles/{member_role}/inherited_to_projects", None, 404),
        ("PUT", "/domains/nowhere/config", {"config": {"ldap": {"url": "ldap://x"}}}, 404),
        ("POST", "/limits", {"limits": [{"service_id": "x", "resource_name": "x", "domain_id": "nowhere", "resource_limit": 1}]}, 400),
        ("GET", "/domains/nowhere", None, 404),
        ("DELETE", "/domains/nowhere", None, 404),
    ],
)  # fmt: skip
def test_a_domain_that_nobody_knows_is_told_and_nothing_is_made(ask, rows, world, method, path, body, status):
    before = rows()

    answer = ask(method, path.format(**world.names), body)

    assert answer.status_code == status, answer.text
    assert answer.json["error"]["message"]
    assert rows() == before


@pytest.mark.parametrize("noun", [noun for noun in NAMED if noun != "domain"])
def test_a_list_of_a_domain_that_nobody_knows_is_empty(ask, noun):
    assert ask("GET", f"{NAMED[noun][1]}?domain_id=nowhere").json[f"{noun}s"] == []


@pytest.mark.parametrize("named", [{"id": "nowhere"}, {"name": "nowhere"}, {"name": SQL}, {"id": "n" * 64}, {"name": "👩‍🚀"}])
@pytest.mark.parametrize("where", ["of the user", "of the project", "as scope"])
def test_a_login_that_names_a_domain_that_nobody_knows_is_a_wrong_one(client, where, named):
    home = {"id": "default"}
    user = {"name": "demo", "password": "the demo password", "domain": named if where == "of the user" else home}
    scope = {"project": {"name": "demo", "domain": named if where == "of the project" else home}}
    if where == "as scope":
        scope = {"domain": named}
    identity = {"methods": ["password"], "password": {"user": user}}

    answer = client.simulate_post("/identity/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})

    assert answer.status_code == 401
    assert answer.json["error"]["message"] == "The request you have made requires authentication."


def test_a_query_that_looks_like_sql_finds_nothing(ask):
    for path in (
        "/users?name=",
        "/projects?name=",
        "/role_assignments?user.id=",
        "/users?name__contains=",
        "/roles?domain_id=",
    ):
        found = ask("GET", path + "x' OR '1'='1")
        assert found.status_code == 200
        assert next(iter(value for value in found.json.values() if isinstance(value, list))) == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("lt:2000-01-01T00:00:10Z", ["early"]),
        ("lte:2000-01-01T00:00:10Z", ["early", "middle"]),
        ("gt:2000-01-01T00:00:10Z", ["late"]),
        ("gte:2000-01-01T00:00:10Z", ["late", "middle"]),
        ("eq:2000-01-01T00:00:10Z", ["middle"]),
        ("2000-01-01T00:00:10Z", ["middle"]),
        ("neq:2000-01-01T00:00:10Z", ["early", "late"]),
    ],
)
@pytest.mark.parametrize("path", ["/users", "/groups/{crew}/users"])
def test_users_are_found_by_when_their_password_expires(ask, database, path, asked, found):
    crew = ask("POST", "/groups", {"group": {"name": "crew"}}).json["group"]["id"]
    for seconds, name in enumerate(("early", "middle", "late")):
        user_id = ask("POST", "/users", {"user": {"name": name}}).json["user"]["id"]
        ask("PUT", f"/groups/{crew}/users/{user_id}")
        moment = 946684800.0 + seconds * 10
        database.transact(lambda tx, user_id=user_id, moment=moment: db.USERS.update(tx, user_id, password_expires_at=moment))

    got = ask("GET", f"{path.format(crew=crew)}?password_expires_at={asked}")

    assert [user["name"] for user in got.json["users"]] == found
