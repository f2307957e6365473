"""What a look at a cloud finds wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from nova_lite.cli.installation import Installation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. `help` is what would help, a sentence or a command.

    `subject` is what it is about, where that has a name; `repair` what `--repair` does about it, None where only the
    operator can help.
    """

    check: str
    subject: str = ""
    problem: str
    help: str
    repair: str | None = None


Check = Callable[[Installation], Iterable[Finding]]
