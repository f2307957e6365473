"""Dataclasses to plain values and back."""

from __future__ import annotations

import dataclasses
import enum
import functools

import pytest

from nova_lite.model import wire
from nova_lite.model.flavor import Flavor
from nova_lite.model.ids import FlavorId, ProjectId, ServerId, UserId
from nova_lite.model.server import Server, ServerAddress, ServerState


class Colour(enum.StrEnum):
    RED = "red"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    number: int
    share: float = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner
    colour: Colour = Colour.RED
    inners: tuple[Inner, ...] = ()
    words: tuple[str, ...] | None = None
    maybe: Inner | None = None


def test_a_server_survives_the_round_trip():
    flavor = Flavor(id=FlavorId("1"), name="f", vcpus=1, ram_mib=64, extra_specs={"a": "b"})
    server = Server(
        id=ServerId("1"),
        project_id=ProjectId("p"),
        user_id=UserId("u"),
        name="n",
        hostname="n",
        state=ServerState.ACTIVE,
        flavor=flavor,
        addresses=(ServerAddress(network="net", ip_address="10.0.0.2", mac_address="fa:16:3e:00:00:01"),),
    )

    assert wire.from_plain(Server, wire.to_plain(server)) == server


def test_an_older_sender_leaves_fields_to_their_defaults():
    assert wire.from_plain(Outer, {"inner": {"number": 1}}) == Outer(inner=Inner(number=1))


def test_a_newer_sender_s_unknown_fields_are_ignored():
    assert wire.from_plain(Inner, {"number": 1, "later": [1]}) == Inner(number=1)


@pytest.mark.parametrize(
    "plain",
    [
        {"number": "1"},
        {"number": True},
        {"number": None},
        {},
        [],
        {"number": 1, "share": "x"},
    ],
)
def test_what_does_not_fit_the_hints_is_refused(plain):
    with pytest.raises(ValueError):
        wire.from_plain(Inner, plain)


def test_an_unknown_enum_value_is_refused():
    with pytest.raises(ValueError):
        wire.from_plain(Outer, {"inner": {"number": 1}, "colour": "blue"})


def test_a_whole_number_does_for_a_float():
    assert wire.from_plain(Inner, {"number": 1, "share": 2}).share == 2.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Thinking:
    numbers: tuple[int, ...]

    @functools.cached_property
    def sum(self) -> int:
        return sum(self.numbers)


def test_what_a_dataclass_worked_out_is_no_field():
    value = Thinking(numbers=(1, 2))
    assert value.sum == 3

    assert wire.to_plain(value) == {"numbers": [1, 2]}
