"""What proves that a host is dead: that nothing of it runs any more. A host that is only silent may be cut off, and live.

Each proof is a function of the host's record; a new one (a lease that ran out under a watchdog, a power switch that answers
"off") is a line in PROOFS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Seen(Protocol):
    """What is known of a host."""

    @property
    def forced_down(self) -> bool:
        """Whether an operator says that it is dead."""


Proof = Callable[[Seen], bool]


def said_by_operator(host: Seen) -> bool:
    """Whether an operator forced the service down: by that they say that the host is off, or cut from its guests' disks."""
    return host.forced_down


PROOFS: tuple[Proof, ...] = (said_by_operator,)


def is_proven(host: Seen) -> bool:
    """Whether any proof says that the host is dead."""
    return any(proof(host) for proof in PROOFS)
