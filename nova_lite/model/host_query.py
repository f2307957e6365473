"""The hint `query`: a condition on hosts, in JSON, as clients write it.

    ["and", [">=", "$free_ram_mb", 1024], ["in", "$host", "a", "b"]]

The first item is an operator, the others are what it compares: values, `$names` of what is known of a host, or conditions.
Source: the Compute documentation, "JsonFilter".
"""

from __future__ import annotations

import json
from typing import Any

COMPARISONS = ("=", "<", ">", "<=", ">=", "in")
CONNECTIVES = ("and", "or", "not")
LENGTH_MAX = 4096  # characters
DEPTH_MAX = 16


def parse(text: str) -> list[Any]:
    """Read a query; an empty one is an empty list. Raises: ValueError naming what is wrong."""
    if len(text) > LENGTH_MAX:
        raise ValueError(f"it is longer than {LENGTH_MAX} characters")
    try:
        query = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(query, list):
        raise ValueError("it is not a list")
    if query:
        _check(query, DEPTH_MAX)
    return query


def _check(condition: list[Any], depth: int) -> None:
    if depth == 0:
        raise ValueError(f"conditions are nested deeper than {DEPTH_MAX}")
    operator, *operands = condition or [None]
    if not isinstance(operator, str) or operator not in (*COMPARISONS, *CONNECTIVES):
        raise ValueError(f"a condition begins with one of {' '.join((*COMPARISONS, *CONNECTIVES))}")
    if not operands:
        raise ValueError(f"nothing follows {operator}")
    if operator in COMPARISONS and len(operands) < 2:
        raise ValueError(f"only one value follows {operator}")
    for operand in operands:
        if isinstance(operand, list):
            _check(operand, depth - 1)
        elif isinstance(operand, dict) or operand is None:
            raise ValueError("values are texts, numbers, true or false")
