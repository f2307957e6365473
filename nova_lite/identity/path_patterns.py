"""Patterns of paths, matched in a time that grows with the path's length only: users write them, and every request is matched.

`*` and `{name}` stand for one part of a path or a piece of it (one character or more, no slash), `**` for anything. A
regular expression of the same meaning would try ways in number like the length to the power of the stars.
"""

from __future__ import annotations

import functools
import re

_WORD = re.compile(r"\{[^{}/]*\}|\*\*+|.", re.DOTALL)


class Pattern:
    """A pattern as a set of places in it that a path may have come to, a bit each; bit n: after n words."""

    def __init__(self, text: str) -> None:
        """Read a pattern."""
        words = _WORD.findall(text)
        self._end = 1 << len(words)
        self._anything = 0  # words `**`: left at once, or stayed at
        self._pieces = 0  # words `*` and `{name}`
        self._letters: dict[str, int] = {}
        for number, word in enumerate(words):
            if word.startswith("**"):
                self._anything |= 1 << number
            elif word == "*" or len(word) > 1:
                self._pieces |= 1 << number
            else:
                self._letters[word] = self._letters.get(word, 0) | 1 << number

    def matches(self, path: str) -> bool:
        """Tell whether a whole path fits."""
        places = self._passed(1)
        for letter in path:
            pieces = 0 if letter == "/" else self._pieces
            onward = (places & (self._letters.get(letter, 0) | pieces)) << 1
            stayed = places & (self._anything | pieces << 1)
            places = self._passed(onward | stayed)
            if not places:
                return False
        return bool(places & self._end)

    def _passed(self, places: int) -> int:
        """Add the places after `**`, which may stand for nothing; no two of them are neighbours."""
        return places | (places & self._anything) << 1


@functools.lru_cache(maxsize=1024)
def pattern(text: str) -> Pattern:
    """Give a pattern, read once."""
    return Pattern(text)
