"""Says in a sentence why the broker cannot be used, without secrets."""

from __future__ import annotations

import amqp.exceptions


def what_is_wrong(error: BaseException, place: str) -> str:
    """Tell from an error of a library, or what caused it, what an operator has to look at."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, amqp.exceptions.AccessRefused):
            return f"RabbitMQ at {place} refuses: the user name, the password or the user's rights do not fit."
        if isinstance(seen, amqp.exceptions.NotAllowed):
            return f"RabbitMQ at {place} does not know our virtual host, or the user has no rights there."
        if isinstance(seen, amqp.exceptions.PreconditionFailed):
            return f"RabbitMQ at {place} has a queue of the same name and another kind: use a fresh virtual host."
        seen = seen.__cause__ or seen.__context__
    return f"RabbitMQ at {place} does not answer."
