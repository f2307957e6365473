"""Limits that one user of a project has, within those of the project."""

from __future__ import annotations

from collections.abc import Mapping

from nova_lite import errors
from nova_lite.db import quota as queries
from nova_lite.db.engine import Tx
from nova_lite.quota import usage
from nova_lite.quota.limits import UNLIMITED


def limits_of(tx: Tx, project_id: str, user_id: str) -> dict[str, int]:
    """Give every limit of a user: their own, else the project's."""
    return {**usage.limits_of(tx, project_id), **queries.select_user_limits(tx, project_id, user_id)}


def own_limits(tx: Tx, project_id: str, user_id: str) -> dict[str, int]:
    """Give the limits that were set for this user alone: mostly none."""
    return queries.select_user_limits(tx, project_id, user_id)


def set_limits(tx: Tx, project_id: str, user_id: str, limits: Mapping[str, int]) -> None:
    """Give a user limits of their own. Raises: BadRequest for one above the project's."""
    most = usage.limits_of(tx, project_id)
    for name, limit in limits.items():
        if most[name] != UNLIMITED and (limit == UNLIMITED or limit > most[name]):
            raise errors.BadRequest(f"Quota limit {limit} for {name} must be less than or equal to {most[name]}.")
    queries.put_user_limits(tx, project_id, user_id, limits)


def forget_limits(tx: Tx, project_id: str, user_id: str) -> None:
    """Let a user use what the project may."""
    queries.drop_user_limits(tx, project_id, user_id)


def require_room(limits: Mapping[str, int], used: Mapping[str, int], amounts: Mapping[str, int]) -> None:
    """See that amounts fit within limits, those of a user or others. Raises: OverQuota."""
    short = [
        name
        for name, limit in limits.items()
        if name in amounts and limit != UNLIMITED and used.get(name, 0) + amounts[name] > limit
    ]
    if short:
        parts = [f"{name}: {amounts[name]} asked, {used.get(name, 0)} of {limits[name]} used" for name in short]
        raise errors.OverQuota(f"Quota exceeded for {', '.join(short)} ({'; '.join(parts)}).", resources=tuple(short))
