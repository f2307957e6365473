"""HOUSE section 7: every route has a documented rule, a schema for its body, and a story that calls it."""

from __future__ import annotations

import importlib
import re

import pytest
import yaml

from nova_lite.api.services import MAKERS, OLD_IMAGE, load
from nova_lite.conf.api import SERVICES
from nova_lite.identity.policy import gather

WRITES = ("POST", "PUT", "PATCH")


def routes(service):
    return load([service])[0].routes


def own_routes(service):
    """Leave out the old paths with the project in them: each is the same line with a prefix."""
    return [route for route in routes(service) if not route.path.startswith("/{url_project}")]


def stories(top, service):
    """Give (method, path, body's keys) of every request in a service's stories."""
    requests = []
    for path in sorted((top / "tests/http" / service).glob("*.yaml")):
        for story in yaml.safe_load(path.read_text(encoding="utf-8"))["stories"]:
            for step in story["steps"]:
                method, _, address = step["request"].partition(" ")
                body = step.get("body")
                requests.append((method, address.partition("?")[0], set(body) if isinstance(body, dict) else set()))
    return requests


def is_called(route, root, requests):
    pattern = re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(root + route.path)) + "$")
    return any(
        method == route.method and pattern.match(path) and (route.action is None or route.action in keys)
        for method, path, keys in requests
    )


def name(route):
    return f"{route.method} {route.path}" + (f" {route.action}" if route.action else "")


@pytest.mark.parametrize("service", SERVICES)
def test_every_rule_of_a_route_is_documented(service):
    known = {rule.name for rule in gather()}

    unknown = [name(route) for route in routes(service) if route.rule is not None and route.rule not in known]

    assert not unknown


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_that_takes_a_body_has_a_schema(service):
    bare = [
        name(route)
        for route in routes(service)
        if route.method in WRITES and route.action is not None and route.body is None and not route.raw
    ]

    assert not bare


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_is_called_by_a_story(service, top):
    requests = stories(top, service)
    root = load([service])[0].root

    uncalled = [name(route) for route in own_routes(service) if not is_called(route, root, requests)]

    assert not uncalled


def test_every_microversion_in_which_a_route_comes_or_goes_is_described(top):
    page = (top / "docs/develop/compute-api.md").read_text(encoding="utf-8")
    versions = importlib.import_module("nova_lite.api.compute.versions")
    changes = {versions.MIN, versions.MAX}
    for route in routes("compute"):
        changes |= {route.min_version} if route.min_version else set()
        if route.max_version:  # gone from the next one on
            era, _, step = route.max_version.partition(".")
            changes.add(f"{era}.{int(step) + 1}")

    missing = [version for version in sorted(changes) if not re.search(rf"\b{re.escape(version)}\b", page)]

    assert not missing


def test_every_service_is_made():
    assert set(MAKERS) == {*SERVICES, OLD_IMAGE}
