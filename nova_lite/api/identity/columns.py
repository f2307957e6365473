"""From a body to columns: what has a column, and the rest, which Identity keeps as it came."""

from __future__ import annotations

from typing import Any

# Fields that are answered but never taken.
SHOWN_ONLY = frozenset({"id", "links", "password_expires_at"})


def split(
    body: dict[str, Any], known: tuple[str, ...], *, apart: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the fields that have a column, and the others. Those in `apart` are in neither."""
    columns = {name: body[name] for name in known if name in body}
    extra = {name: value for name, value in body.items() if name not in known and name not in apart and name not in SHOWN_ONLY}
    return columns, extra


def merged(before: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Give the extra fields after a change; null takes one away."""
    return {name: value for name, value in (before | extra).items() if value is not None}
