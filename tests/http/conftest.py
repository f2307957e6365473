"""Stories: requests and answers written in YAML, told to the whole application in one process.

A folder a service, a file a noun; `docs/develop/api.md` has the format. A folder's `test_stories.py` is three lines;
its `conftest.py` may replace `extra_parts` (what handlers need besides the database) and `variables`.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import falcon.testing
import orjson
import pytest
import yaml

from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.clock import SystemClock
from nova_lite.conf.identity import IdentityOptions
from nova_lite.db import identity as db
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.identity import roles
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.identity.policy import Policy
from nova_lite.identity.projects import new_id
from nova_lite.identity.service import Identity, ensure_all_keys, make_identity
from nova_lite.identity.tokens import Claims, new_audit_id
from nova_lite.model.identity import SYSTEM, Actor, Assignment, Project, Target, User
from nova_lite.workflows.desk import Desk

PASSWORDS = {"admin": "the admin password", "demo": "the demo password"}
STEP_FIELDS = {"request", "as", "headers", "body", "raw", "status", "answer", "text", "answer_headers", "keep"}
MARK = re.compile(r"\$\{([a-z_0-9]+)\}")
MATCHERS: dict[str, Callable[[Any], bool]] = {
    "<any>": lambda value: True,
    "<string>": lambda value: isinstance(value, str),
    "<integer>": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "<boolean>": lambda value: isinstance(value, bool),
    "<list>": lambda value: isinstance(value, list),
    "<object>": lambda value: isinstance(value, dict),
    "<uuid>": lambda value: bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(value))),
    "<hex>": lambda value: bool(re.fullmatch(r"[0-9a-f]{32}", str(value))),
    "<time>": lambda value: bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z?", str(value))),
}


@dataclasses.dataclass(frozen=True)
class Story:
    """One story of a file."""

    name: str
    steps: list[dict[str, Any]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test named with `story` every story of its folder."""
    if "story" in metafunc.fixturenames:
        found = list(_stories(Path(metafunc.module.__file__).parent))
        metafunc.parametrize("story", found, ids=[story.name for story in found])


def _stories(folder: Path) -> Iterator[Story]:
    for path in sorted(folder.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["stories"]:
            for step in entry["steps"]:
                unknown = set(step) - STEP_FIELDS
                assert not unknown, f"{path.name}: {entry['name']}: unknown fields {unknown}"
            yield Story(f"{path.stem}: {entry['name']}", entry["steps"])


@dataclasses.dataclass(frozen=True)
class World:
    """A cloud that has just been made, to be copied for each story."""

    folder: Path
    tokens: dict[str, str]
    names: dict[str, str]


def _identity(folder: Path) -> tuple[Database, Identity]:
    database = Database(f"sqlite:///{folder / 'cloud.db'}")
    ensure_all_keys(folder, SystemClock().wall())
    return database, make_identity(database, folder, IdentityOptions(), SystemClock())


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Make a cloud with admin, demo, reader (in demo), manager (in demo), other (in other) and auditor (system)."""
    folder = tmp_path_factory.mktemp("world")
    database, identity = _identity(folder)
    create_all(database)
    bootstrap(
        database,
        admin_password=PASSWORDS["admin"],
        demo_password=PASSWORDS["demo"],
        region="RegionOne",
        public_url="http://cloud.test",
    )
    names, tokens = database.transact(lambda tx: _people(tx, identity))
    database.dispose()
    return World(folder, tokens, names)


def _people(tx: Any, identity: Identity) -> tuple[dict[str, str], dict[str, str]]:
    now = tx.database.clock.wall()
    found = {project.name: project for project in db.PROJECTS.list_by(tx, is_domain=False)}
    other = Project(id=new_id(), name="other", domain_id="default", parent_id="default", created_at=now)
    found["other"] = db.PROJECTS.insert(tx, other)
    for name, role, project in (
        ("reader", "reader", "demo"),
        ("manager", "manager", "demo"),
        ("other", "member", "other"),
        ("auditor", "reader", None),
    ):
        user = db.USERS.insert(tx, User(id=new_id(), name=name, domain_id="default", created_at=now))
        where = {"target_kind": Target.SYSTEM, "target_id": SYSTEM}
        if project:
            where = {"target_kind": Target.PROJECT, "target_id": found[project].id}
        role_id = db.ROLES.find_by(tx, name=role).id
        roles.grant(tx, Assignment(actor_kind=Actor.USER, actor_id=user.id, role_id=role_id, **where))
    homes = {"admin": "admin", "demo": "demo", "reader": "demo", "manager": "demo", "other": "other", "auditor": None}
    tokens = {name: _token(tx, identity, name, found.get(home)) for name, home in homes.items()}
    names = {f"{project.name}_project": project.id for project in found.values()}
    names |= {f"{user.name}_user": user.id for user in db.USERS.list_by(tx)}
    names |= {f"{role.name}_role": role.id for role in db.ROLES.list_by(tx)}
    return names, tokens


def _token(tx: Any, identity: Identity, name: str, project: Project | None) -> str:
    user = db.USERS.find_by(tx, name=name)
    now = tx.database.clock.wall()
    kind = Target.PROJECT if project else Target.SYSTEM
    claims = Claims(
        user_id=user.id,
        user_name=name,
        user_domain_id="default",
        methods=("password",),
        issued_at=now,
        expires_at=now + 36000,
        audit_ids=(new_audit_id(),),
        scope=kind,
        scope_id=project.id if project else SYSTEM,
        scope_name=project.name if project else None,
        scope_domain_id="default" if project else None,
        roles=tuple(role.name for role in roles.effective(tx, user.id, kind, project)),
    )
    return identity.tokens.issue(claims)


@pytest.fixture
def cloud(world: World, tmp_path: Path) -> Iterator[tuple[Database, Identity]]:
    """Copy the world for one test."""
    shutil.copytree(world.folder, tmp_path / "cloud")
    database, identity = _identity(tmp_path / "cloud")
    yield database, identity
    database.dispose()


@pytest.fixture
def database(cloud: tuple[Database, Identity]) -> Database:
    return cloud[0]


@pytest.fixture(scope="session")
def policy() -> Policy:
    return Policy()


@pytest.fixture
def extra_parts() -> dict[str, Any]:
    """What a service's handlers need besides: replaced in its folder's conftest."""
    return {}


@pytest.fixture
def variables() -> dict[str, Any]:
    """More values for `${name}` in stories: replaced in a folder's conftest."""
    return {}


@pytest.fixture
def parts(cloud: tuple[Database, Identity], policy: Policy, extra_parts: dict[str, Any]) -> Parts:
    database, identity = cloud
    made: dict[str, Any] = {
        "database": database,
        "tokens": identity.tokens,
        "policy": policy,
        "identity": identity,
        "desk": Desk(database=database, ring=lambda operation_id: None),
        "patience_s": 0.0,  # nobody carries out what is accepted
    }
    return Parts(**(made | extra_parts))


@pytest.fixture
def services(request: pytest.FixtureRequest) -> list[str]:
    """Serve the folder's own API, and Identity."""
    return list(dict.fromkeys((request.path.parent.name, "identity")))


@pytest.fixture
def client(parts: Parts, services: list[str]) -> falcon.testing.TestClient:
    return falcon.testing.TestClient(make_app(parts, services))


@pytest.fixture
def tell(client: falcon.testing.TestClient, world: World, variables: dict[str, Any], parts: Parts) -> Callable[[Story], None]:
    """Give the function that goes through a story."""
    known = {**world.names, **variables}
    known |= {f"{name}_token": token for name, token in world.tokens.items()}
    known |= {f"{name}_password": password for name, password in PASSWORDS.items()}

    def go_through(story: Story) -> None:
        for number, step in enumerate(story.steps, 1):
            _take(client, step, known, f"step {number}, {step['request']}")

    return go_through


def _take(client: falcon.testing.TestClient, step: dict[str, Any], known: dict[str, Any], place: str) -> None:
    """Send one request and look at its answer."""
    method, address = _filled(step["request"], known).split(" ", 1)
    path, _, query = address.partition("?")
    headers = {str(name): str(value) for name, value in _filled(step.get("headers", {}), known).items()}
    who = step.get("as", "demo")
    if who != "nobody":
        headers.setdefault("X-Auth-Token", known[f"{who}_token"])
    body = None
    if "raw" in step:
        body = _filled(step["raw"], known)
    elif "body" in step:
        body = orjson.dumps(_filled(step["body"], known)).decode()
        headers.setdefault("Content-Type", "application/json")
    got = client.simulate_request(method, path, query_string=query, headers=headers, body=body)
    assert got.status_code == step["status"], f"{place}: {got.status_code} {got.text[:2000]}"
    if "text" in step:
        assert got.text == _filled(step["text"], known), place
    for name, value in _filled(step.get("answer_headers", {}), known).items():
        _compare(got.headers.get(name.lower()), value, f"{place}: header {name}")
    if "answer" in step:
        _compare(got.json, _filled(step["answer"], known), place)
    for name, where in step.get("keep", {}).items():
        known[name] = got.headers[where[8:].lower()] if where.startswith("headers.") else _at(got.json, where)


def _at(value: Any, where: str) -> Any:
    for part in where.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _filled(value: Any, known: dict[str, Any]) -> Any:
    """Put kept values in the place of `${name}`; a text that is nothing else keeps the value's type."""
    if isinstance(value, dict):
        return {_filled(name, known): _filled(inner, known) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, known) for inner in value]
    if not isinstance(value, str):
        return value
    whole = MARK.fullmatch(value)
    return known[whole[1]] if whole else MARK.sub(lambda match: str(known[match[1]]), value)


def _compare(got: Any, wanted: Any, place: str) -> None:
    """Look for what is wanted: objects may have more fields, lists have exactly these entries."""
    if isinstance(wanted, dict):
        assert isinstance(got, dict), f"{place}: {got!r} is no object"
        for name, inner in wanted.items():
            if inner == "<absent>":
                assert name not in got, f"{place}.{name}: is there: {got[name]!r}"
                continue
            assert name in got, f"{place}.{name}: missing in {sorted(got)}"
            _compare(got[name], inner, f"{place}.{name}")
    elif isinstance(wanted, list):
        assert isinstance(got, list) and len(got) == len(wanted), f"{place}: {got!r} is not {wanted!r}"
        for number, (one, other) in enumerate(zip(got, wanted, strict=True)):
            _compare(one, other, f"{place}[{number}]")
    elif isinstance(wanted, str) and wanted in MATCHERS:
        assert MATCHERS[wanted](got), f"{place}: {got!r} is not {wanted}"
    elif isinstance(wanted, str) and wanted.startswith("~"):
        assert re.search(wanted[1:], str(got)), f"{place}: {got!r} does not fit {wanted}"
    else:
        assert got == wanted, f"{place}: {got!r} is not {wanted!r}"
