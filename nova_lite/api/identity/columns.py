"""From a body to columns: what has a column, and the rest, which Identity keeps as it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.identity import immutable

# Fields that are answered but never taken.
SHOWN_ONLY = frozenset({"id", "links", "password_expires_at"})


def split(
    body: dict[str, Any], known: tuple[str, ...], *, apart: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the fields that have a column, and the others. Those in `apart` are in neither. Names lose spaces around them."""
    columns = {name: body[name] for name in known if name in body}
    if isinstance(columns.get("name"), str):
        columns["name"] = columns["name"].strip()
    extra = {name: value for name, value in body.items() if name not in known and name not in apart and name not in SHOWN_ONLY}
    return columns, extra


def merged(before: Mapping[str, Any] | None, extra: dict[str, Any]) -> dict[str, Any]:
    """Give the extra fields after a change, null ones too; `options` are changed one by one.

    Things that have no tags or options of ours keep whatever stands under these names.
    """
    known = dict(before or {})
    changed = known | extra
    options, tags = extra.get("options"), extra.get("tags")
    if "options" in extra and (options is None or isinstance(options, dict)):
        changed["options"] = immutable.merged(immutable.options_of(known), options or {})
    if isinstance(tags, list):
        changed["tags"] = [tag.strip() if isinstance(tag, str) else tag for tag in tags]
    return changed


def check_id(body: Mapping[str, Any], key: str) -> None:
    """Raises: BadRequest when a body would change the id of what it is sent to."""
    if body.get("id", key) not in (key, None):
        raise errors.BadRequest("An id cannot change.")
