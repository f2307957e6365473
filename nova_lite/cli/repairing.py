"""What `nova-lite doctor --repair` does: each difference that can be mended is, and a row says so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from nova_lite import errors
from nova_lite.cli import removed_hosts
from nova_lite.cli.checks import store_of
from nova_lite.cli.installation import Installation
from nova_lite.conductor.differences import library
from nova_lite.db import version

ROUNDS = 5  # mending one may show another: a subject is let go, then its server is settled, then its claim


def repair(installation: Installation, say: Callable[[str], object] | None = None) -> int:
    """Mend until nothing more can be; give the number of repairs. `say` is told of each.

    Raises: ConfigError for a database that this release cannot serve; Unavailable.
    """
    version.require(installation.database)
    kinds = library.all_kinds(store_of(installation))
    by = f"doctor on {installation.host}"
    mended = 0
    for _ in range(ROUNDS):
        found = [(kind, one) for kind, one in library.find(installation.database, kinds) if one.is_mendable]
        done = [one for kind, one in found if library.mend(installation.database, kind, one, by=by)]
        for one in done:
            if say is not None:
                say(f"repaired: {one.problem} ({one.repair})")
        mended += len(done)
        if not done:
            break
    return mended + _repair_broker(installation, by, say)


def _repair_broker(installation: Installation, by: str, say: Callable[[str], object] | None) -> int:
    """Mend what the broker has too much, when it can be asked; what cannot be looked at is told by the checks after it."""
    with contextlib.suppress(errors.Unavailable):
        found = list(removed_hosts.check(installation))
        done = [one for one in found if removed_hosts.mend(installation, one, by=by)]
        for one in done:
            if say is not None:
                say(f"repaired: {one.problem} ({one.repair})")
        return len(done)
    return 0
