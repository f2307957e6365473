"""What proves that a host is dead: that nothing of it runs any more. A host that is only silent may be cut off, and live.

Each proof is a function of the host's record; a new one (a lease that ran out under a watchdog, a power switch that answers
"off") is a line in PROOFS.
"""

from __future__ import annotations

from collections.abc import Callable

from nova_lite.model.host import Host

Proof = Callable[[Host], bool]


def said_by_operator(host: Host) -> bool:
    """Whether an operator forced the service down: by that they say that the host is off, or cut from its guests' disks."""
    return host.forced_down


PROOFS: tuple[Proof, ...] = (said_by_operator,)


def is_proven(host: Host) -> bool:
    """Whether any proof says that the host is dead."""
    return any(proof(host) for proof in PROOFS)
