"""Every route of every service, sent what it should not be: never a 5xx, an error in the API's own shape, and nothing changed.

Some bad requests of each kind are chosen by chance for each route. TEST_SEED chooses others, TEST_BAD_INPUT says how many
(0: all).
"""

from __future__ import annotations

import os
import sqlite3
import types

import falcon.testing
import pytest
from conformance import exceptions, tables
from conformance.asking import good_request
from conformance.spoiling import Spoilt, chosen, spoil
from conformance.tables import Known
from conformance.widths import too_wide
from conformance.world import World

from nova_lite.api import faults

SEED = os.environ.get("TEST_SEED", "1")
COUNT = int(os.environ.get("TEST_BAD_INPUT", "4"))
READS = ("GET", "HEAD")
NOT_OFFERED = 501


def caller_of(known: Known) -> str:
    """Choose who gets far enough to do harm."""
    return "admin" if exceptions.find(known.service.name, known.route, "admin") is not False else "member"


def is_of_shape(service: str, got: falcon.testing.Result) -> bool:
    """Tell whether an error is one that this service's clients can read."""
    if not got.content:
        return False
    if service == "image" and got.headers["content-type"].startswith("text/html"):
        return True
    told = got.json
    words = told.get("error_description") or told.get("message") or next(iter(told.values()))  # RFC 6749; Image; the others
    return bool(words if isinstance(words, str) else words["message"])


def trouble(world: World, known: Known, bad: Spoilt, watch: sqlite3.Connection) -> str | None:
    """Send a bad request; say what is wrong with the answer."""
    before = watch.execute("PRAGMA data_version").fetchone()
    got = bad.asked.send(world)
    changed = watch.execute("PRAGMA data_version").fetchone() != before
    wide = too_wide(watch) if changed else []
    if changed:
        world.put_back()
        watch.execute("PRAGMA data_version").fetchone()
    if got.status_code >= 500 and got.status_code != NOT_OFFERED:
        return f"{got.status_code} {got.text[:300]}"
    if wide:
        return f"{got.status_code}, and what was written does not fit {wide} elsewhere"
    if got.status_code < 400:
        return None
    if changed:
        return f"{got.status_code}, and yet something was changed"
    if known.route.method != "HEAD" and not is_of_shape(known.service.name, got):
        return f"{got.status_code} without words: {got.text[:300]!r}"
    return None


@pytest.fixture(scope="module")
def watch(world):
    connection = sqlite3.connect(world.file)
    yield connection
    connection.close()


@pytest.mark.parametrize("known", tables.known_routes(), ids=str)
def test_bad_input_is_refused_and_changes_nothing(world, watch, known, monkeypatch):
    failures = []
    monkeypatch.setattr(faults, "log", lambda error, *_: failures.append(error))
    good = good_request(world, known, caller_of(known))
    wrong = []
    for bad in chosen(spoil(world, known, good), COUNT, f"{SEED} {known}"):
        failures.clear()
        told = trouble(world, known, bad, watch)
        if told:
            wrong.append(f"{bad}: {told} {failures[-1:]!r}")

    assert not wrong, f"TEST_SEED={SEED}:\n" + "\n".join(wrong)


def answering(status, body, statement=None):
    """Stand for a request that is answered so, after a statement was executed."""

    def send(world):
        if statement:
            with sqlite3.connect(world.file) as connection:
                connection.execute(statement)
        return types.SimpleNamespace(status_code=status, text=str(body), content=b"x", headers={}, json=body)

    return Spoilt("made up", types.SimpleNamespace(send=send))


ERROR = {"error": {"message": "No."}}
RENAME = "UPDATE roles SET name = name || 'x'"
TOO_LONG = f"UPDATE roles SET name = '{'n' * 256}' WHERE name = 'reader'"


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (answering(400, ERROR), None),
        (answering(200, {}), None),
        (answering(201, {}, RENAME), None),
        (answering(500, ERROR), "500"),
        (answering(503, ERROR), "503"),
        (answering(400, {"error": {"message": ""}}), "without words"),
        (answering(409, ERROR, RENAME), "something was changed"),
        (answering(201, {}, TOO_LONG), "roles.name"),
    ],
)
def test_what_is_wrong_with_an_answer_is_noticed(world, watch, bad, told):
    found = trouble(world, tables.known_routes()[0], bad, watch)

    assert found is None if told is None else told in found
