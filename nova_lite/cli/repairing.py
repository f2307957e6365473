"""What `nova-lite doctor --repair` does: each difference that can be mended is, and a row says so."""

from __future__ import annotations

from collections.abc import Callable

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
        found = [(kind, one) for kind, one in library.find(installation.database, kinds) if one.mend is not None]
        done = [one for kind, one in found if library.mend(installation.database, kind, one, by=by)]
        for one in done:
            if say is not None:
                say(f"repaired: {one.problem} ({one.repair})")
        mended += len(done)
        if not done:
            break
    return mended
