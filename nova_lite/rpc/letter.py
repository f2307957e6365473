"""What goes over the wire: one JSON text a message, so that the very bytes that were signed are checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson

from nova_lite import errors
from nova_lite.model import wire
from nova_lite.rpc.port import Address, Envelope

MAX_BYTES = 1024 * 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Letter:
    """One message. `call_id` and `reply_to` are set where an answer is awaited."""

    to: str
    method: str
    body: Mapping[str, Any]
    envelope: Envelope = dataclasses.field(default_factory=Envelope)
    call_id: str | None = None
    reply_to: str | None = None


def routing_key(address: Address) -> str:
    """Give the name of the queue behind an address: `topic`, or `topic.server`."""
    return f"{address.topic}.{address.server}" if address.server else address.topic


def pack(letter: Letter) -> bytes:
    """Give the JSON form. Raises: TooLarge over 1 MiB, before anything is sent."""
    packed = orjson.dumps(wire.to_plain(letter))
    if len(packed) > MAX_BYTES:
        raise errors.TooLarge(
            f"A message ({letter.method}) of {len(packed)} bytes is over the limit of {MAX_BYTES}.", method=letter.method
        )
    return packed


def unpack(packed: bytes) -> Letter:
    """Read the JSON form. Raises: BadRequest when it is not a letter."""
    if len(packed) > MAX_BYTES:
        raise errors.BadRequest("The message is too large.")
    try:
        return wire.from_plain(Letter, orjson.loads(packed))
    except ValueError as error:
        raise errors.BadRequest("The message is not readable.") from error
