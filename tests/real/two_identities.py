"""One list of requests, sent to Keystone and to the embedded Identity; what a client could tell apart is a difference.

A file in `parity/` is a list of steps. `ask` is method and path below `/v3`; `as` names whose token goes along (`admin`,
`nobody`, or one that `keep` kept); `keep` takes values of the answer, `headers.NAME` too, each side its own; `differs` says why
the two differ on purpose, and fails when they do not; `chance` says why they differ on purpose in most runs and not in all, so
that only the status counts; `without` names fields (a.b.c) that are not looked at.
"""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import falcon.testing
import orjson
import requests
import yaml
from real.keystone import PASSWORD, Keystone

from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.clock import SystemClock
from nova_lite.conf.identity import IdentityOptions
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.identity.policy import Policy
from nova_lite.identity.service import ensure_all_keys, make_identity
from nova_lite.workflows.desk import Desk

FIELDS = {"ask", "as", "headers", "body", "raw", "keep", "differs", "chance", "without", "subject"}
MARK = re.compile(r"\$\{([a-z_0-9]+)\}")
ID = re.compile(r"[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(Z|\+00:00)?")
# What Keystone says besides, by mistake or of its own: the stored form of extra fields in the answer to a change, addresses
# without the user or the trust, fields of a role within a token of a trust; and what depends on the services that there are.
NEVER = (
    "user.extra", "project.extra", "token.audit_ids", "token.catalog", "token.is_domain", "token.roles.description", "token.roles.domain_id",
    "token.roles.options", "application_credential.links", "application_credentials.links", "access_rule.links",
    "access_rules.links", "trust.roles_links", "application_credential.secret", "application_credential.unrestricted",
    "application_credentials.unrestricted",
)  # fmt: skip
OUR_ROOT = "/identity/v3"
OURS = "http://cloud.test" + OUR_ROOT
Send = Callable[[str, str, str, dict[str, str], "bytes | None"], "Got"]


@dataclasses.dataclass(frozen=True)
class Got:
    """An answer. Names of headers are in lower case."""

    status: int
    body: Any
    headers: dict[str, str]


@dataclasses.dataclass
class Side:
    """One of the two, and what it said so far."""

    name: str
    root: str
    send: Send
    known: dict[str, Any] = dataclasses.field(default_factory=dict)

    def ask(self, step: dict[str, Any]) -> Got:
        """Send a step's request."""
        method, _, address = str(self.filled(step["ask"])).partition(" ")
        path, _, query = address.partition("?")
        headers = {name: str(value) for name, value in self.filled(step.get("headers", {})).items()}
        who = step.get("as", "admin")
        if who != "nobody":
            headers["X-Auth-Token"] = self.known[who]
        if "subject" in step:
            headers["X-Subject-Token"] = self.known[step["subject"]]
        content = None
        if "raw" in step or "body" in step:
            headers.setdefault("Content-Type", "application/json")
            content = str(step["raw"]).encode() if "raw" in step else orjson.dumps(self.filled(step["body"]))
        got = self.send(method, urllib.parse.quote(path, safe="/%"), query, headers, content)
        for name, where in step.get("keep", {}).items():
            self.known[name] = got.headers.get(where[8:].lower()) if where.startswith("headers.") else _at(got.body, where)
        return got

    def filled(self, value: Any) -> Any:
        """Put what was kept in the place of `${name}`."""
        if isinstance(value, dict):
            return {self.filled(name): self.filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        if not isinstance(value, str):
            return value
        return MARK.sub(lambda match: str(self.known.get(match[1], "never-kept")), value)

    def log_in(self) -> None:
        """Become the administrator of both."""
        user = {"name": "admin", "domain": {"id": "default"}, "password": PASSWORD}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
        step = {"ask": "POST /auth/tokens", "as": "nobody", "body": {"auth": auth}}
        self.ask(step | {"keep": {"admin": "headers.X-Subject-Token", "admin_user": "token.user.id"}})
        for role in self.ask({"ask": "GET /roles"}).body["roles"]:
            self.known[f"{role['name']}_role"] = role["id"]
            # Keystone makes its own roles immutable; that is written down as a difference, once
            self.ask({"ask": f"PATCH /roles/{role['id']}", "body": {"role": {"options": {"immutable": None}}}})


def _at(value: Any, where: str) -> Any:
    for part in where.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (LookupError, TypeError):
            return "never-kept"
    return value


def keystone_side(server: Keystone) -> Side:
    """Speak with Keystone."""

    def send(method: str, path: str, query: str, headers: dict[str, str], content: bytes | None) -> Got:
        address = f"{server.url}{path}" + (f"?{query}" if query else "")
        got = requests.request(method, address, headers=headers, data=content, timeout=30, allow_redirects=False)
        return _got(got.status_code, got.text, dict(got.headers))

    return Side("keystone", server.url, send)


def our_app(folder: Path, public_url: str) -> falcon.App:
    """Make an embedded Identity with Keystone's first records."""
    database = Database(f"sqlite:///{folder / 'cloud.db'}")
    create_all(database)
    bootstrap(database, admin_password=PASSWORD, demo_password=PASSWORD, region="RegionOne", public_url=public_url)
    ensure_all_keys(folder, SystemClock().wall())
    identity = make_identity(database, folder, IdentityOptions(), SystemClock())
    desk = Desk(database=database, ring=lambda operation_id: None)
    parts = Parts(database=database, tokens=identity.tokens, policy=Policy(), identity=identity, desk=desk)
    return make_app(parts, ["identity"])


def our_side(folder: Path) -> Side:
    """Make an embedded Identity with the same first records, and speak with it."""
    client = falcon.testing.TestClient(our_app(folder, "http://cloud.test"))

    def send(method: str, path: str, query: str, headers: dict[str, str], content: bytes | None) -> Got:
        given = headers | {"Host": "cloud.test"}
        if content is not None:
            given["Content-Length"] = str(len(content))
        got = client.simulate_request(method, OUR_ROOT + path, query_string=query, headers=given, body=content)
        return _got(got.status_code, got.text, dict(got.headers))

    return Side("ours", OURS, send)


def _got(status: int, text: str, headers: dict[str, str]) -> Got:
    try:
        body = orjson.loads(text) if text else None
    except ValueError:
        body = text
    return Got(status, body, {name.lower(): value for name, value in headers.items()})


def seen(side: Side, got: Got, without: list[str]) -> Any:
    """Reduce an answer to what does not depend on ids, times and addresses; of an error to its status and fields."""
    body = got.body
    if got.status >= 400:
        return {
            "status": got.status,
            "error": sorted({*body.get("error", body)} - {"identity"}) if isinstance(body, dict) else type(body).__name__,
        }
    told: Any = _plain(side, body)
    for where in (*NEVER, *without):
        _drop(told, where.split("."))
    return {"status": got.status, "token": "x-subject-token" in got.headers, "body": told}


def _plain(side: Side, value: Any) -> Any:
    if isinstance(value, dict) and any(ID.fullmatch(name) for name in value):
        # a tree of ids: as a table with one name for all of them, only the last would be looked at
        return _in_order([_plain(side, name), _plain(side, inner)] for name, inner in value.items())
    if isinstance(value, dict):
        return {_plain(side, name): _plain(side, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return _in_order(_plain(side, inner) for inner in value)
    if not isinstance(value, str):
        return value
    return TIME.sub("<time>", ID.sub("<id>", value.replace(side.root, "~")))


def _in_order(values: Iterable[Any]) -> list[Any]:
    return sorted(values, key=lambda one: orjson.dumps(one, option=orjson.OPT_SORT_KEYS))


def _drop(value: Any, where: list[str]) -> None:
    if isinstance(value, list):
        for inner in value:
            _drop(inner, where)
    elif isinstance(value, dict) and where[0] in value:
        if where[1:]:
            _drop(value[where[0]], where[1:])
        else:
            del value[where[0]]


def steps_of(path: Path) -> list[dict[str, Any]]:
    """Read a file of steps."""
    steps = yaml.safe_load(path.read_text(encoding="utf-8"))
    for step in steps:
        assert not set(step) - FIELDS, f"{path.name}: {step['ask']}: unknown fields {set(step) - FIELDS}"
    return list(steps)


def compare(number: int, step: dict[str, Any], sides: tuple[Side, Side]) -> list[str]:
    """Send one step to both; say what is not as it should be."""
    answers = [side.ask(step) for side in sides]
    theirs, ours = (seen(side, got, step.get("without", [])) for side, got in zip(sides, answers, strict=True))
    place = f"{number}. {step['ask']} {orjson.dumps(step.get('body', '')).decode()[:200]}"
    if "differs" in step:
        return [] if theirs != ours else [f"{place}: is meant to differ ({step['differs']}) and does not"]
    if "chance" in step and theirs["status"] == ours["status"]:
        return []
    if theirs == ours or (answers[0].status >= 500 and answers[1].status in range(400, 500)):
        return []  # a defect of Keystone is none of ours
    told = answers[1].body if answers[1].status >= 400 else answers[0].body if answers[0].status >= 400 else ""
    return [f"{place}: {told}", *(f"    {line}" for line in unlike("", theirs, ours))]


def unlike(place: str, theirs: Any, ours: Any) -> list[str]:
    """List where two values differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [line for name in sorted({*theirs, *ours}) for line in unlike(f"{place}.{name}", *_both(theirs, ours, name))]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [
            line for number, pair in enumerate(zip(theirs, ours, strict=True)) for line in unlike(f"{place}[{number}]", *pair)
        ]
    return [] if theirs == ours else [f"{place}: keystone {theirs!r}, ours {ours!r}"]


def _both(theirs: dict[str, Any], ours: dict[str, Any], name: str) -> tuple[Any, Any]:
    return theirs.get(name, "<absent>"), ours.get(name, "<absent>")
