"""What happens with a message that has arrived: checked, handed to its handler, answered. Both transports use it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite import errors, metrics
from nova_lite.rpc.letter import Letter, unpack
from nova_lite.rpc.port import Handler, carrying
from nova_lite.rpc.signing import Proof, Refused, Signing
from nova_lite.rpc.trouble import Trouble

LOG = logging.getLogger(__name__)
Answer = Callable[[Letter, Mapping[str, Any]], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Served:
    """What a listener serves: its routing keys and its handlers, and how it checks and answers."""

    keys: frozenset[str]
    handlers: Mapping[str, Handler]
    signing: Signing
    answer: Answer


class Delivery:
    """Takes one packed letter after another, in any thread. Never raises: a bad message is counted and dropped."""

    def __init__(self, served: Served) -> None:
        """Log lines about refused messages are limited for each listener."""
        self._served = served
        self._trouble = Trouble(LOG)

    def deliver(self, packed: bytes, proof: Proof | None) -> None:
        """Check and handle one message."""
        try:
            letter = self._checked(packed, proof)
        except errors.NovaLiteError as error:
            reason = str(error.details.get("reason", error.code))
            metrics.MESSAGES_REFUSED.labels(reason).inc()
            self._trouble.say(f"A message was refused: {error.message}", reason=reason, sender=proof.by if proof else None)
            return
        with carrying(letter.envelope):
            outcome = self._handle(letter)
            if letter.call_id is not None:
                self._answer(letter, outcome)

    def _checked(self, packed: bytes, proof: Proof | None) -> Letter:
        letter = unpack(packed)
        if letter.to not in self._served.keys:
            raise Refused("It is addressed to another.", reason="misdirected")
        self._served.signing.check(letter, packed, proof)
        if letter.method not in self._served.handlers:
            raise errors.BadRequest("There is no such method here.", reason="unknown_method")
        return letter

    def _handle(self, letter: Letter) -> Mapping[str, Any]:
        """Run the handler; give the body of the answer."""
        try:
            result = self._served.handlers[letter.method](letter.body)
        except errors.NovaLiteError as error:
            metrics.MESSAGES_HANDLED.labels(letter.method, "refused").inc()
            level = logging.DEBUG if letter.call_id else logging.WARNING
            LOG.log(level, "A message could not be handled: %s", error.message, extra={"action": letter.method})
            return {"error": {"code": error.code, "message": error.message}}
        except Exception:  # an RPC server: one bad message must not end it
            metrics.MESSAGES_HANDLED.labels(letter.method, "failed").inc()
            LOG.exception("A message's handler failed.", extra={"action": letter.method})
            return {"error": {"code": errors.NovaLiteError.code, "message": None}}
        metrics.MESSAGES_HANDLED.labels(letter.method, "done").inc()
        return {"result": result}

    def _answer(self, letter: Letter, outcome: Mapping[str, Any]) -> None:
        try:
            self._send_answer(letter, {**outcome, "id": letter.call_id})
        except errors.Unavailable:
            LOG.info("An answer could not be sent; the caller will ask again.", extra={"action": letter.method})

    def _send_answer(self, letter: Letter, body: Mapping[str, Any]) -> None:
        try:
            self._served.answer(letter, body)
        except errors.TooLarge as error:
            refusal = {"code": error.code, "message": error.message}
            self._served.answer(letter, {"id": letter.call_id, "error": refusal})
