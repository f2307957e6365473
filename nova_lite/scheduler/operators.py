"""The small language of extra specs: an operator and values, `>= 4`, `s== red`, `<in> avx`, `<or> a <or> b`.

A text without operator is to be equal. Source: the Compute documentation, "ComputeCapabilitiesFilter".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

Compare = Callable[[Any, Any], bool]
_NUMBERS: Mapping[str, Compare] = {
    "=": operator.ge,  # at least: so it always was
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
}
_TEXTS: Mapping[str, Compare] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s>=": operator.ge,
    "s>": operator.gt,
    "s<=": operator.le,
    "s<": operator.lt,
}


def matches(value: Any, wanted: str) -> bool:
    """Whether a host's value is what an extra spec wants. A list or a text may be searched by `<in>`."""
    words = wanted.split()
    if not words:
        return str(value) == wanted
    name, asked = words[0], words[1:]
    if name == "<or>":
        return str(value) in _alternatives(wanted)
    if name == "<in>":
        return len(asked) == 1 and asked[0] in _searchable(value)
    if name == "<all-in>":
        return bool(asked) and all(one in _searchable(value) for one in asked)
    if name in _TEXTS:
        return len(asked) == 1 and _TEXTS[name](str(value), asked[0])
    if name in _NUMBERS:
        return len(asked) == 1 and _compare(_NUMBERS[name], value, asked[0])
    return str(value) == wanted


def _alternatives(wanted: str) -> list[str]:
    return [one.strip() for one in wanted.split("<or>")[1:]]


def _searchable(value: Any) -> Any:
    return value if isinstance(value, list | tuple | set | frozenset) else str(value)


def _compare(compare: Compare, value: Any, wanted: str) -> bool:
    try:
        return compare(float(value), float(wanted))
    except (TypeError, ValueError):
        return False
