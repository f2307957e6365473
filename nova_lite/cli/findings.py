"""What a look at a cloud finds wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from nova_lite.cli.installation import Installation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. `help` is what would help, a sentence or a command."""

    check: str
    problem: str
    help: str


Check = Callable[[Installation], Iterable[Finding]]
