"""What a difference is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from nova_lite.db.engine import Database, Tx


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference. `check` and `subject` name it; `problem` and `help` are sentences for operators.

    `repair` says what will be done about it; `mend` does it in one transaction, or `clear` outside of any where others than
    the database take part. They give what was done, None when nothing could be. All are None where only the operator can help.
    """

    check: str
    subject: str
    problem: str
    help: str
    repair: str | None = None
    mend: Callable[[Tx], str | None] | None = dataclasses.field(default=None, compare=False, repr=False)
    clear: Callable[[Database], str | None] | None = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def is_mendable(self) -> bool:
        """Whether the conductors and `--repair` can do something about it."""
        return self.mend is not None or self.clear is not None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of difference. `find` reads only, and finds all there are (of many, the first hundred)."""

    name: str
    meaning: str
    find: Callable[[Tx], Iterable[Difference]]
    repair: str | None  # what `--repair` and the conductors do; None: nothing, only the operator can


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutsideKind:
    """One kind of which others than the database are asked: no transaction is open while they answer, or do not.

    `look` finds all there are, and its differences have `clear`.
    """

    name: str
    meaning: str
    look: Callable[[Database], Iterable[Difference]]
    repair: str | None  # as a Kind's


AnyKind = Kind | OutsideKind
