"""Regular expressions of users, for databases: the ones that take no engine more than a moment on any name.

Engines that backtrack (SQLite uses Python's, MariaDB PCRE) can be kept busy for ever by a repeat of a repeat, and for
long by many repeats or choices in a row. So repeats without end are counted, and choices multiplied.
"""

from __future__ import annotations

import dataclasses
import re

from nova_lite import errors

MOST_REPEATS = 2  # each one multiplies the work by a name's length, 255 at most
MOST_CHOICES = 512  # each `?` doubles the work, each group with `|` multiplies it
_TOKEN = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<open>\((?:\?:)?)|(?P<close>\))|(?P<or>\|)"
    r"|(?P<maybe>\?)|(?P<times>\{\d+\})|(?P<repeat>(?:[*+]|\{\d*,\d*\})[?+]?)|(?P<plain>.)",
    re.DOTALL,
)
_IDLE_ENDS = re.compile(r"^\^?(?:\.\*)+(?![?+])|(?<!\\)(?:\.\*)+\$?$")
_REPEATS = ("repeat", "times")


def safe(text: str, *, any_character: str = ".") -> str:
    """Give the expression as engines take it; what is none is meant word by word. `any_character` stands for each dot.

    Raises: BadRequest for an expression that could take long, or looks around or back.
    """
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return re.escape(text)
    tokens = [(str(token.lastgroup), token.group()) for token in _TOKEN.finditer(_IDLE_ENDS.sub("", text))]
    cost = _Cost()
    for kind, word in tokens:
        cost.add(kind, word)
    cost.check()
    return "".join(any_character if (kind, word) == ("plain", ".") else word for kind, word in tokens)


@dataclasses.dataclass
class _Group:
    """What stands in a pair of parentheses so far. `varies`: it can match in several ways."""

    branches: int = 1
    varies: bool = False


class _Cost:
    """How much work an expression can make."""

    def __init__(self) -> None:
        self._open = [_Group()]
        self._before: str | _Group | None = None  # the last token: its kind, or the group that it closed
        self._repeats = 0
        self._choices = 1

    def add(self, kind: str, word: str) -> None:
        """Count a token. Raises: BadRequest."""
        if (kind == "escape" and word[1].isdigit()) or (kind == "maybe" and self._before == "open"):
            raise errors.BadRequest("The filter's regular expression looks around or back, which is not possible here.")
        before, self._before = self._before, kind
        if kind == "open":
            self._open.append(_Group())
        elif kind == "close":
            self._before = self._close()
        elif kind == "or":
            self._open[-1].branches += 1
        elif kind == "maybe":
            self._choices *= 2
            self._open[-1].varies = True
        elif kind in _REPEATS:
            self._repeat(kind, before)

    def _close(self) -> _Group:
        group = self._open.pop()
        group.varies |= group.branches > 1
        self._choices *= group.branches
        self._open[-1].varies |= group.varies
        return group

    def _repeat(self, kind: str, before: str | _Group | None) -> None:
        if isinstance(before, _Group) and before.varies:
            raise errors.BadRequest("The filter's regular expression repeats a group that repeats or chooses itself.")
        if kind == "repeat":
            self._repeats += 1
            self._open[-1].varies = True

    def check(self) -> None:
        """Do nothing when the whole is little work. Raises: BadRequest."""
        if self._repeats > MOST_REPEATS or self._choices > MOST_CHOICES:
            message = f"The filter's regular expression has more than {MOST_REPEATS} repeats in a row, or too many choices."
            raise errors.BadRequest(message)
