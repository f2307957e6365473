"""The URL table as a whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from nova_lite.api.compute import routes, versions
from nova_lite.api.compute.gone import gone
from nova_lite.api.compute.views.servers import PARTS
from nova_lite.api.microversion import parse
from nova_lite.identity.policy import gather

ROOT = Path(__file__).parents[4]
# What was removed has neither rule nor schema: it answers 410, whoever asks and whatever is sent.
HERE = [route for route in routes.ROUTES if "{url_project}" not in route.path and route.handler is not gone]


@pytest.mark.parametrize("route", HERE, ids=lambda route: f"{route.method} {route.path} {route.action or ''}")
def test_every_route_has_a_rule_that_is_documented(route):
    assert route.rule in {rule.name for rule in gather()}


@pytest.mark.parametrize("route", HERE, ids=lambda route: f"{route.method} {route.path} {route.action or ''}")
def test_every_route_that_writes_has_a_schema(route):
    bodiless = route.method in ("GET", "DELETE") or route.path.endswith("/tags/{tag}")
    assert bodiless or route.body is not None


def test_every_version_that_a_table_names_is_within_what_is_announced():
    newest = parse(versions.MAX)

    assert all(parse(part.since) <= newest for part in PARTS)


def test_every_rule_is_used_or_asked_for_by_a_handler():
    sources = "".join(path.read_text() for path in (ROOT / "nova_lite/api/compute").rglob("*.py"))
    used = {route.rule for route in HERE}
    compute = {rule.name for rule in gather() if rule.name.startswith(("os_compute_api:", "compute:"))}

    assert {name for name in compute - used if name not in sources} == set()


def test_every_version_in_the_history_is_told_in_a_story():
    """The first new version of each line, and the last old one."""
    told = {
        parse(found)
        for path in (ROOT / "tests/http/compute").glob("*.yaml")
        for story in yaml.safe_load(path.read_text())["stories"]
        for step in story["steps"]
        for name, value in step.get("headers", {}).items()
        if "API-Version" in name
        for found in re.findall(r"2\.\d+", str(value).replace("latest", versions.MAX))
    }
    history = (ROOT / "docs/develop/compute-api.md").read_text()
    lines = [parse(found) for row in re.findall(r"^\| ([0-9., ]+) \|", history, re.M) for found in row.split(", ")]
    wanted = {version for first in lines if first != (2, 1) for version in (first, (2, first[1] - 1))} - {(2, 1)}

    assert sorted(wanted - told) == []
