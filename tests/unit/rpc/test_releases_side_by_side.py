"""Daemons of two releases read each other's messages, and what the other has stored: unknown fields, missing new ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from unit.rpc import message_shapes as shapes

from nova_lite.model import wire

KINDS = shapes.with_parts([*shapes.messages(), *shapes.stored()])
RECORD = json.loads((Path(__file__).parent / "messages-1.0.json").read_text(encoding="ascii"))
HOW_TO_ACCEPT = "docs/operate/upgrade.md says what may change, and tests/unit/rpc/message_shapes.py how it is recorded"

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def test_all_conversations_are_looked_at():
    assert {"EnsureGuest", "CommandHead", "GuestSpec", "Report", "HostFacts", "PlacementRequest", "Ranking"} <= set(KINDS)
    assert {"Letter", "Envelope", "BootParams", "PortsReady", "State", "Tried"} <= set(KINDS)


@each_kind
def test_fields_of_a_later_release_are_ignored_at_every_level(kind):
    known, more = (shapes.example(kind, full=True, unknown=unknown) for unknown in (False, True))

    assert shapes.UNKNOWN in more
    assert wire.from_plain(kind, more) == wire.from_plain(kind, known)


@each_kind
def test_what_is_sent_is_what_is_read(kind):
    message = wire.from_plain(kind, shapes.example(kind, full=True))

    assert wire.from_plain(kind, json.loads(json.dumps(wire.to_plain(message)))) == message


@each_kind
def test_fields_that_an_earlier_release_does_not_send_take_their_defaults(kind):
    little = wire.from_plain(kind, shapes.example(kind, full=False))

    for name, default in shapes.defaults_of(kind).items():
        assert getattr(little, name) == default


@each_kind
def test_each_such_field_may_be_missing_alone(kind):
    whole = shapes.example(kind, full=True)

    for name, default in shapes.defaults_of(kind).items():
        read = wire.from_plain(kind, {key: value for key, value in whole.items() if key != name})
        assert read == dataclasses.replace(wire.from_plain(kind, whole), **{name: default})


# -- against the recorded release ----------------------------------------------------------------------------------------


def mistakes(kinds, record):
    """Say what a release with that record could not read of ours, or we of its."""
    now = {name: shapes.fields_in_words(kind) for name, kind in kinds.items()}
    for name, fields in record.items():
        if name not in now:
            yield f"{name} is gone: a daemon of the recorded release still sends or expects it"
            continue
        required = {field.name for field in dataclasses.fields(kinds[name]) if not shapes.has_default(field)}
        yield from (f"{name}.{field} is new and has no default" for field in sorted(required - set(fields)))
        yield from (f"{name}.{field} is gone" for field in fields if field not in now[name])
        for field, was in fields.items():
            if field in now[name] and now[name][field] != was:
                yield f"{name}.{field} was {was}, is {now[name][field]}"


def test_the_recorded_release_and_this_one_read_each_other():
    assert list(mistakes(KINDS, RECORD)) == [], HOW_TO_ACCEPT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Before:
    """A message as it was."""

    server_id: str
    power: int
    left: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class After:
    """The same message after every mistake that can be made, and one addition that is right."""

    server_id: str
    power: str
    zone: str
    reason: str = ""


def test_every_mistake_is_named_and_an_addition_with_a_default_is_none():
    record = {"Power": shapes.fields_in_words(Before), "Gone": {"a": "int"}}

    assert list(mistakes({"Power": After}, record)) == [
        "Power.zone is new and has no default",
        "Power.left is gone",
        "Power.power was int, is str",
        "Gone is gone: a daemon of the recorded release still sends or expects it",
    ]
