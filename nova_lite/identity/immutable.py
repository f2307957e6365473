"""Resource options of projects, domains and roles: `immutable` protects a record from change and removal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite import errors

OPTION = "immutable"


def options_of(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options of a record; they are kept among its extra fields."""
    found = extra.get("options")
    return dict(found) if isinstance(found, dict) else {}


def merged(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options after a change: those not named stay, null takes one away."""
    return {name: value for name, value in {**before, **given}.items() if value is not None}


def check_change(extra: Mapping[str, Any], asked: Mapping[str, Any], what: str) -> None:
    """Raises: Forbidden when an immutable record would change otherwise than by making it mutable, and nothing else."""
    if not options_of(extra).get(OPTION):
        return
    options = asked.get("options")
    frees = isinstance(options, dict) and OPTION in options and not options[OPTION]
    if set(asked) != {"options"} or not frees:
        raise errors.Forbidden(f"The {what} is immutable: set its option immutable to false first, and nothing else with it.")


def check_removal(extra: Mapping[str, Any], what: str) -> None:
    """Raises: Forbidden when the record is immutable."""
    if options_of(extra).get(OPTION):
        raise errors.Forbidden(f"The {what} is immutable: set its option immutable to false before it is deleted.")
