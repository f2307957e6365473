"""What projects use, held against their limits: never over by one, whatever runs at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nova_lite import errors
from nova_lite.db import quota as queries
from nova_lite.db.engine import Tx
from nova_lite.quota.limits import DEFAULT_LIMITS, UNLIMITED

PLENTY = 2**53  # what is free where there is no limit


def reserve(tx: Tx, project_id: str, amounts: Mapping[str, int], user_id: str = "") -> bool:
    """Take amounts of several resources, all or none: two statements, four the first time.

    Tells whether the user who is named has limits of their own for any of them; those are not looked at here.
    The usage rows stay locked until the transaction ends, so nobody else can take what was seen free.
    Raises: OverQuota, and nothing is taken.
    """
    found = _lock(tx, project_id, amounts, user_id)
    standing = _told(found)
    short = [name for name, wanted in amounts.items() if _free(standing[name]) < wanted]
    if short:
        raise errors.OverQuota(_sentence(short, amounts, standing), resources=tuple(short))
    queries.add_usage(tx, project_id, amounts)
    return any(one.of_user is not None for one in found.values())


def release(tx: Tx, project_id: str, amounts: Mapping[str, int]) -> None:
    """Give amounts back; what was never taken stays at 0."""
    queries.add_usage(tx, project_id, {name: -amount for name, amount in amounts.items()})


def room_for(tx: Tx, project_id: str, amounts: Mapping[str, int]) -> int:
    """Count how many times the amounts still fit; the rows stay locked until the transaction ends."""
    standing = _told(_lock(tx, project_id, amounts))
    fits = [_free(standing[name]) // wanted for name, wanted in amounts.items() if wanted > 0]
    return max(0, int(min(fits, default=0)))


def recount(tx: Tx, project_id: str, counted: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Put what was counted in place of what the books say; give the differences as (booked, counted).

    `counted` must have been read in this transaction after `lock`, else a server accepted meanwhile is lost.
    """
    booked = queries.locked_usage(tx, project_id, counted)
    wrong = {name: (booked[name], counted[name]) for name in booked if booked[name] != counted[name]}
    for name, (_, right) in wrong.items():
        queries.set_usage(tx, project_id, name, right)
    return wrong


def lock(tx: Tx, project_id: str, resources: Iterable[str]) -> None:
    """Keep others from taking or giving back these resources until the transaction ends."""
    queries.locked_usage(tx, project_id, resources)


def take_turn(tx: Tx, project_id: str, resource: str) -> None:
    """Let one transaction of a project after another pass, until it ends: for what is counted and not booked."""
    _lock(tx, project_id, {resource: 0})


def projects(tx: Tx) -> list[str]:
    """List the projects that ever used something."""
    return queries.select_projects(tx)


def limits_of(tx: Tx, project_id: str) -> dict[str, int]:
    """Give every limit of a project; -1 is no limit."""
    return {**DEFAULT_LIMITS, **queries.select_limits(tx, project_id)}


def default_limits(tx: Tx) -> dict[str, int]:
    """Give the limits of projects that have none of their own."""
    return limits_of(tx, queries.DEFAULTS)


def set_limits(tx: Tx, project_id: str, limits: Mapping[str, int]) -> None:
    """Give a project limits of its own."""
    queries.put_limits(tx, project_id, limits)


def set_default_limits(tx: Tx, limits: Mapping[str, int]) -> None:
    """Change the limits of projects that have none of their own."""
    queries.put_limits(tx, queries.DEFAULTS, limits)


def forget_limits(tx: Tx, project_id: str) -> None:
    """Return a project, and all users in it, to the default limits."""
    queries.drop_limits(tx, project_id)
    queries.drop_user_limits(tx, project_id)


def used_by(tx: Tx, project_id: str) -> dict[str, int]:
    """Give what a project uses of the counted resources, 0 where it never used any."""
    return {"instances": 0, "cores": 0, "ram": 0, **queries.select_usage(tx, project_id)}


def _lock(tx: Tx, project_id: str, amounts: Mapping[str, int], user_id: str = "") -> dict[str, queries.Standing]:
    """Lock the usage rows, made when missing; give what is used and the limits of each resource."""
    found = queries.locked_usage_and_limits(tx, project_id, amounts, user_id)
    if len(found) < len(amounts):
        queries.add_usage_rows(tx, project_id, [name for name in amounts if name not in found])
        found = queries.locked_usage_and_limits(tx, project_id, amounts, user_id)
    return found


def _told(found: Mapping[str, queries.Standing]) -> dict[str, tuple[int, int]]:
    """Give what is used and the limit of each resource."""
    return {name: (one.used, DEFAULT_LIMITS[name] if one.limit is None else one.limit) for name, one in found.items()}


def _free(standing: tuple[int, int]) -> int:
    used, limit = standing
    return PLENTY if limit == UNLIMITED else limit - used


def _sentence(short: list[str], amounts: Mapping[str, int], standing: Mapping[str, tuple[int, int]]) -> str:
    """Say what was asked, what is used and what is allowed, for each resource that is short."""
    parts = [f"{name}: {amounts[name]} asked, {standing[name][0]} of {standing[name][1]} used" for name in short]
    return f"Quota exceeded for {', '.join(short)} ({'; '.join(parts)})."
