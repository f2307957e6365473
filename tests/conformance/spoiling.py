"""Bad requests made of a good one: each is spoilt at one place, a field, the body, an id, the query or a header."""

from __future__ import annotations

import copy
import dataclasses
import random
from collections.abc import Iterator
from typing import Any

import orjson
from conformance.asking import Asked, good_body, version_of
from conformance.tables import Known
from conformance.world import World

SQL = "x'; DROP TABLE users; --"
EMOJI = "\N{GRINNING FACE}\N{COMBINING ACUTE ACCENT}\N{RIGHT-TO-LEFT OVERRIDE} one"
MISSING = object()
VALUES: tuple[Any, ...] = (
    MISSING, None, True, 0, -1, 1.5, 2**31, 2**63, -(2**63) - 1, 1e300, "", " ", "word", "0", "null", "n" * 255, "n" * 256, "n" * 70_000, "\N{GRINNING FACE}" * 60_000,
    EMOJI, SQL, "%", "../..", "2030-02-30T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999Z", "http://[", "{",
    [], [None], ["word", "word"], [[]], [{}], [1] * 300, {}, {"": ""}, {"word": None}, {"id": "word"}, {"n" * 300: {"deep": [1]}},
)  # fmt: skip
BODIES: tuple[bytes, ...] = (
    b"", b" ", b"null", b"true", b"0", b'"word"', b"[]", b"{}", b"[{}]", b"{", b"\xff\xfe{}", b'{"a": "\xc3\x28"}', b'{"a": "\\ud800"}',
    b'{"a": "\\u0000"}', b'{"a": NaN}', b'{"a": 1e999}', b'{"a": ' + b"9" * 400 + b"}", b"[" * 5000 + b"]" * 5000,
    b'{"a":' * 40 + b"1" + b"}" * 40, b'{"a": "' + b"x" * (1 << 20) + b'"}', b"\xef\xbb\xbf{}", b"<xml/>",
)  # fmt: skip
IDS = (
    "nothing-has-this-id", "n" * 64, "n" * 65, "n" * 256, "n" * 5000, "0", "-1", "99999999999999999999", "%00", "a%00b", "%ff", "%F0%9F%98%80",
    "x'%20OR%201=1%20--", "%25", "..", "%2e%2e%2f", "%20", "00000000-0000-0000-0000-000000000000", "null", "detail",
)  # fmt: skip
QUERY_VALUES = (
    "", "0", "-1", "1.5", "99999999999999999999", "word", "true", "n" * 256, "%00", "%ff", "%F0%9F%98%80", "%27%20OR%201%3D1", "%25", "_",
    "2030-02-30", "gt:", "in:", "lt:2030-01-01T00:00:00Z", "[", "id:asc:x", ",", ";", "+",
)  # fmt: skip
QUERY_NAMES = (
    "limit", "marker", "sort_key", "sort_dir", "sort", "page_size", "name", "name__contains", "id__icontains", "enabled", "domain_id", "parent_id",
    "is_domain", "tags", "tags-any", "not-tags", "user.id", "group.id", "role.id", "scope.domain.id", "scope.project.id", "scope.system", "effective",
    "include_names", "include_subtree", "subtree_as_list", "parents_as_ids", "password_expires_at", "password_expires_at__x", "type", "service_id",
    "interface", "region_id", "user_id", "project_id", "changes-since", "status", "fields", "all_tenants", "created_at", "x", "",
)  # fmt: skip
QUERIES = ("%", "&&&", "=", "a=%zz", "&".join(f"a{number}=1" for number in range(300)), "limit=1&limit=2", "name=a&name=b")
HEADERS = (
    {"Content-Type": "text/plain"},
    {"Content-Type": ""},
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"X-Subject-Token": ""},
    {"X-Subject-Token": "word"},
    {"X-Subject-Token": "n" * 5000},
    {"X-Subject-Token": "\xff\xe9"},
    {"X-Auth-Token": ""},
    {"X-Auth-Token": "\xff\xe9"},
    {"X-Auth-Token": "gAAAAA" + "n" * 200},
    {"X-Service-Token": "word"},
    {"Idempotency-Key": ""},
    {"Idempotency-Key": "\xe9"},
    {"Idempotency-Key": "n" * 256},
    {"OpenStack-API-Version": "compute 2.x"},
    {"OpenStack-API-Version": "compute 99.99"},
    {"X-OpenStack-Request-ID": "req-\xe9"},
    {"Accept": "text/html"},
    {"Authorization": "OAuth oauth_consumer_key"},
    {"Authorization": 'OAuth realm="x", oauth_consumer_key="\xe9"'},
)


@dataclasses.dataclass(frozen=True)
class Spoilt:
    """A request with what was done to it."""

    what: str
    asked: Asked

    def __str__(self) -> str:
        return self.what if len(self.what) < 120 else f"{self.what[:100]}... ({len(self.what)} characters)"


def spoil(world: World, known: Known, good: Asked) -> list[list[Spoilt]]:
    """Make every bad request of a good one, kind by kind: ids, queries, headers, bodies, fields."""
    kinds = [list(_ids(good)), list(_queries(known, good)), list(_headers(good))]
    if good.content is not None and not known.route.raw:
        kinds.append([Spoilt(f"body {raw[:40]!r}", dataclasses.replace(good, content=raw)) for raw in BODIES])
        schema = known.route.body_at(version_of(known))
        kinds.append(list(_fields(good, good_body(world, known), schema.source)))
    return kinds


def chosen(kinds: list[list[Spoilt]], count: int, seed: str) -> list[Spoilt]:
    """Choose some of each kind by chance, always the same of the same seed; all with a count of 0."""
    chance = random.Random(seed)
    return [bad for kind in kinds for bad in (kind if not 0 < count < len(kind) else chance.sample(kind, count))]


def _ids(good: Asked) -> Iterator[Spoilt]:
    for name in good.things:
        for value in IDS:
            yield Spoilt(f"{name}={value}", dataclasses.replace(good, things={**good.things, name: value}))


def _queries(known: Known, good: Asked) -> Iterator[Spoilt]:
    schema = known.route.query_at(version_of(known))
    names = dict.fromkeys((*QUERY_NAMES, *(schema.source.get("properties", {}) if schema else ())))
    for query in (*QUERIES, *(f"{name}={value}" for name in names for value in QUERY_VALUES)):
        yield Spoilt(f"?{query}", dataclasses.replace(good, query=f"{good.query}&{query}".lstrip("&")))


def _headers(good: Asked) -> Iterator[Spoilt]:
    for more in HEADERS:
        yield Spoilt(f"headers {more}", dataclasses.replace(good, headers={**good.headers, **more}))


def _fields(good: Asked, body: Any, schema: dict[str, Any]) -> Iterator[Spoilt]:
    for place in _places(body, schema):
        for value in VALUES:
            content = (
                orjson.dumps(_put(body, place, value), option=orjson.OPT_NON_STR_KEYS)
                if _fits(value)
                else _large(body, place, value)
            )
            shown = "missing" if value is MISSING else repr(value)
            yield Spoilt(f"{'/'.join(map(str, place))} {shown}", dataclasses.replace(good, content=content))
    yield Spoilt("twice the same keys", dataclasses.replace(good, content=_doubled(good.content or b"{}")))


def _fits(value: Any) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _large(body: Any, place: tuple[Any, ...], value: Any) -> bytes:
    """Write a number that is too large for the library that writes."""
    return orjson.dumps(_put(body, place, "the number")).replace(b'"the number"', str(value).encode())


def _doubled(content: bytes) -> bytes:
    """Repeat the first level: `{"a": {}}` becomes `{"a": 1, "a": {}}`."""
    keys = orjson.loads(content)
    first = b"".join(orjson.dumps(key) + b": 1, " for key in keys) if isinstance(keys, dict) else b""
    return b"{" + first + content.lstrip()[1:] if first else content


def _places(value: Any, schema: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the places of a body: what is there, what its schema knows besides, and a field that nobody knows."""
    if here:
        yield here
    schema = schema if isinstance(schema, dict) else {}
    if isinstance(value, dict) or (value is MISSING and len(here) < 3 and schema.get("properties")):
        known = schema.get("properties", {})
        present = value if isinstance(value, dict) else {}
        for key in dict.fromkeys((*present, *known, "unknown")):
            yield from _places(present.get(key, MISSING), known.get(key), (*here, key))
    elif isinstance(value, list):
        for number, item in enumerate(value[:2]):
            yield from _places(item, schema.get("items"), (*here, number))


def _put(body: Any, place: tuple[Any, ...], value: Any) -> Any:
    """Copy a body with another value at a place; objects on the way are made."""
    copied = copy.deepcopy(body)
    node = copied
    for step in place[:-1]:
        node = node.setdefault(step, {}) if isinstance(node, dict) else node[step]
    if value is MISSING:
        if isinstance(node, list) or place[-1] in node:
            del node[place[-1]]
    else:
        node[place[-1]] = value
    return copied
