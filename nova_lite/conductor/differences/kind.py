"""What a difference is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from nova_lite.db.engine import Tx


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference. `check` and `subject` name it; `problem` and `help` are sentences for operators.

    `repair` says what will be done about it, and `mend` does it in one transaction: it gives what was done, None when
    nothing could be. Both are None where only the operator can help.
    """

    check: str
    subject: str
    problem: str
    help: str
    repair: str | None = None
    mend: Callable[[Tx], str | None] | None = dataclasses.field(default=None, compare=False, repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of difference. `find` reads only, and finds all there are (of many, the first hundred)."""

    name: str
    meaning: str
    find: Callable[[Tx], Iterable[Difference]]
    repair: str | None  # what `--repair` and the conductors do; None: nothing, only the operator can
