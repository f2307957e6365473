"""What belongs to projects that were deleted: Identity lets a project go with whatever it has."""

from __future__ import annotations

from collections.abc import Iterator

from nova_lite.conductor.differences.kind import Difference, Kind
from nova_lite.db import differences as queries
from nova_lite.db.engine import Tx


def _ownerless(tx: Tx) -> Iterator[Difference]:
    for row in queries.ownerless(tx):
        kind, project_id = row["kind"], row["project_id"]
        problem = f"Project {project_id} is gone, and {row['count']} of its {kind}s are still there."
        help_ = f"as an administrator delete them, or give the {kind}s of that project away"
        yield Difference(check="owners", subject=f"{kind}s of {project_id}", problem=problem, help=help_)


KINDS = (Kind(name="ownerless", meaning="what belongs to a project that is gone", find=_ownerless, repair=None),)
