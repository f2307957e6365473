"""Long lists: pages that the database cuts are those that would be cut of the whole list, and no more rows are read."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

NOUNS = ("user", "group", "project", "domain")
NAMES = ("b", "a", "c b", "B", "d%_", "é")


@pytest.fixture
def ask(client, world):
    """Send a request as the administrator."""

    def do(method, path, body=None):
        headers = {"X-Auth-Token": world.tokens["admin"]}
        return client.simulate_request(method, f"/identity/v3{path}", json=body, headers=headers)

    return do


@pytest.fixture
def homes(ask):
    """Make two domains with users, groups and projects of the same names; every second of them is disabled."""
    made = [ask("POST", "/domains", {"domain": {"name": f"home {name}"}}).json["domain"]["id"] for name in NAMES]
    for home in made[:2]:
        for place, name in enumerate(NAMES):
            enabled = {"enabled": place % 2 == 0}
            for noun in ("user", "group", "project"):
                more = {} if noun == "group" else enabled
                answer = ask("POST", f"/{noun}s", {noun: {"name": name, "domain_id": home, **more}})
                assert answer.status_code == 201, answer.text
    return made


def walk(ask, path, noun, limit):
    """Follow the links of the pages; give all ids."""
    found, most = [], 100
    following = f"{path}&limit={limit}"
    while following:
        answer = ask("GET", following)
        assert answer.status_code == 200, answer.text
        page = answer.json[f"{noun}s"]
        assert 0 < len(page) <= limit
        assert bool(answer.json["links"]["next"]) is bool(answer.json.get("truncated"))
        found += [one["id"] for one in page]
        following = (answer.json["links"]["next"] or "").partition("/identity/v3")[2]
        most -= 1
        assert most, "the pages have no end"
    return found


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("query", ["", "domain_id={home}", "enabled=true", "enabled=false&domain_id={home}", "name=a"])
def test_pages_are_the_parts_of_the_whole_list(ask, homes, noun, limit, query):
    path = f"/{noun}s?{query.format(home=homes[1])}"
    if noun == "domain":
        ask("PATCH", f"/domains/{homes[0]}", {"domain": {"enabled": False}})
        path = f"/domains?{query.partition('&')[0] if query.startswith('enabled') else ''}"
    whole = [one["id"] for one in ask("GET", path).json[f"{noun}s"]]

    assert whole
    assert walk(ask, path, noun, limit) == whole
    by_views = f"{path}&name__icontains="  # which only views are compared with
    assert walk(ask, by_views, noun, limit) == whole


@pytest.mark.parametrize("noun", NOUNS)
def test_no_more_rows_are_read_than_a_page_has(ask, homes, database, noun):
    asked = []

    @sa.event.listens_for(database.engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, _parameters, _context, _many):
        asked.append(statement)

    assert len(ask("GET", f"/{noun}s?limit=2").json[f"{noun}s"]) == 2

    table = "projects" if noun == "domain" else f"{noun}s"
    lists = [statement for statement in asked if f"FROM {table}" in statement or f'FROM "{table}"' in statement]
    assert lists
    assert all("LIMIT" in statement for statement in lists)


@pytest.mark.parametrize("noun", NOUNS)
def test_a_marker_that_is_not_in_the_list_is_told(ask, homes, noun):
    elsewhere = ask("GET", f"/{noun}s?name=home a" if noun == "domain" else f"/{noun}s?domain_id={homes[0]}")
    marker = elsewhere.json[f"{noun}s"][0]["id"]
    narrowed = "enabled=false" if noun == "domain" else f"domain_id={homes[1]}"

    assert ask("GET", f"/{noun}s?{narrowed}&limit=2&marker={marker}").status_code == 404
    assert ask("GET", f"/{noun}s?limit=2&marker=nobody").status_code == 404
    assert ask("GET", f"/{noun}s?limit=2&marker={marker}").status_code == 200
