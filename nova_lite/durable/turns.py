"""Fair turns: which due operations a runner takes, so that no project keeps the others waiting. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def share_of(slots: int) -> int:
    """Give the number of slots that one project may hold while another waits: a quarter."""
    return max(1, slots // 4)


def choose(waiting: Sequence[T], project_of: Callable[[T], str], held: Mapping[str, int], slots: int) -> list[T]:
    """Choose from those that wait, first come first, as many as there are free slots.

    A project that holds its share takes more only when no other project below its share waits.
    """
    free = slots - sum(held.values())
    counts = dict(held)
    chosen: list[T] = []
    rest: list[T] = []
    for one in waiting:
        project = project_of(one)
        if len(chosen) >= free:
            break
        if counts.get(project, 0) < share_of(slots):
            counts[project] = counts.get(project, 0) + 1
            chosen.append(one)
        else:
            rest.append(one)
    return chosen + rest[: max(0, free - len(chosen))]


def must_yield(waiting: Collection[str], held: Mapping[str, int], slots: int) -> frozenset[str]:
    """Name the projects that hold more than their share while another, below its own, waits for a full runner."""
    share = share_of(slots)
    if sum(held.values()) < slots or all(held.get(project, 0) >= share for project in waiting):
        return frozenset()
    return frozenset(project for project, count in held.items() if count > share)
