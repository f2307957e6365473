"""Why hosts were chosen or refused, for the operator. Pure, and generic: it knows no rule, only what refusals say."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence

from nova_lite.model.host import Host
from nova_lite.model.ids import HostName
from nova_lite.model.placement import Effort, Explanation, ReasonCount, Refusal, Verdict
from nova_lite.model.resources import Resources
from nova_lite.scheduler.crowd import Group

FITTING_SHOWN = 10  # of the hosts that fit
REFUSED_SHOWN = 64  # of the hosts that do not, when nothing fits
REFUSED_ASIDE = 3  # the same beside hosts that fit
EXAMPLES = 3
REMEDIES = 5
NO_HOST = "add a host: nova-lite host add NAME"


class Judged:
    """What the rules say of a group of hosts that are alike: every refusal of the host looked at, or what weighers say."""

    def __init__(self, group: Group, refusals: tuple[Refusal, ...], values: tuple[float, ...] = ()) -> None:
        """The group may get and lose other members later."""
        self.group = group
        self.host = group.host
        self.refusals = refusals
        self.values = values
        self._told: dict[HostName, tuple[Refusal, ...]] = {group.host.name: refusals}

    @property
    def names(self) -> Sequence[HostName]:
        """Give the names of all hosts of the group."""
        return self.group.names

    @functools.cached_property
    def cost(self) -> tuple[int, int, float]:
        """Compare refusals by the hardest thing to do, then by how much is to do, then by how much is missing."""
        missing = sum((one.asked - (one.free or 0)) / one.asked for one in self.refusals if one.lacks and one.asked)
        return max(one.effort for one in self.refusals), len(self.refusals), missing

    def refusals_of(self, name: HostName) -> tuple[Refusal, ...]:
        """Give the refusals as they are told of one of the hosts."""
        told = self._told.get(name)
        if told is None:
            told = tuple(dataclasses.replace(one, host=name, remedy=_renamed(one, name)) for one in self.refusals)
            self._told[name] = told
        return told


class Refused:
    """Groups that do not fit, and what is told of them all. Good for later requests of the shape while they stay the same."""

    def __init__(self, groups: Sequence[Judged] = ()) -> None:
        """What is told is worked out when it is asked for."""
        self.groups = groups
        self._names = [group.group.names for group in groups]
        self._verdicts: dict[int, tuple[Verdict, ...]] = {}

    def are(self, groups: Sequence[Judged]) -> bool:
        """Whether these are the groups, with the same hosts in each."""
        return groups == self.groups and [group.group.names for group in groups] == self._names

    @functools.cached_property
    def hosts(self) -> int:
        """Count the hosts."""
        return sum(map(len, self._names))

    @functools.cached_property
    def counts(self) -> dict[str, int]:
        """Count hosts by the reason that is told first."""
        counts: dict[str, int] = {}
        for group in self.groups:
            reason = group.refusals[0].reason
            counts[reason] = counts.get(reason, 0) + len(group.names)
        return counts

    @functools.cached_property
    def passing(self) -> bool:
        """Whether a first refusal may be over in a moment."""
        return any(group.refusals[0].passing for group in self.groups)

    @functools.cached_property
    def reasons(self) -> tuple[ReasonCount, ...]:
        """Count every refusal of every host."""
        return _counted(self.groups)

    def first(self, limit: int) -> tuple[Refusal, ...]:
        """Give each host's first refusal, of the first so many hosts."""
        found: list[Refusal] = []
        for group in self.groups:
            found += [group.refusals_of(name)[0] for name in group.names[: limit - len(found)]]
            if len(found) >= limit:
                break
        return tuple(found)

    def verdicts(self, limit: int) -> tuple[Verdict, ...]:
        """Give the hosts that are nearest to fitting."""
        if limit not in self._verdicts:
            self._verdicts[limit] = tuple(_refused(self.groups, limit))
        return self._verdicts[limit]


def explain(
    asked: Resources, filters: Sequence[str], fitting: Sequence[Judged], refused: Refused, best: Sequence[Verdict]
) -> Explanation:
    """Say what the rules said of hosts that fit, and of the others: `best` are the best that fit, best first."""
    fits = sum([len(group.group.names) for group in fitting])
    return Explanation(
        asked=asked,
        filters=tuple(filters),
        hosts_seen=fits + refused.hosts,
        fitting=fits,
        verdicts=(*best[:FITTING_SHOWN], *refused.verdicts(REFUSED_ASIDE if fits else REFUSED_SHOWN)),
        reasons=refused.reasons,
        remedies=() if fits else remedies(refused.groups),
    )


def free_of(host: Host) -> Resources:
    """Give what a host has left."""
    return host.limit.less(host.used)


def remedies(refused: Sequence[Judged]) -> tuple[str, ...]:
    """Give what would let some host take the server, the cheapest first; each is enough by itself."""
    if not refused:
        return (NO_HOST,)
    found: dict[str, None] = {}
    for group in sorted(refused, key=lambda group: group.cost):
        found.setdefault(_remedy(group.refusals))
        if len(found) == REMEDIES:
            break
    return tuple(found)


def _remedy(refusals: tuple[Refusal, ...]) -> str:
    """Say what to do about all of a host's refusals. Where the host can never do it, only what asks for another counts."""
    hardest = max(one.effort for one in refusals)
    wanted = [one for one in refusals if hardest is not Effort.CHANGE or one.effort is Effort.CHANGE]
    return ", and ".join(dict.fromkeys(one.remedy or f"see to {one.host}: it {one.reason}" for one in wanted))


def _refused(refused: Iterable[Judged], limit: int) -> Iterable[Verdict]:
    """Give each host by itself while there is room; once there is none, one of each group with the number of the others."""
    left = limit
    for group in sorted(refused, key=lambda group: group.cost):
        if left <= 0:
            return
        if len(group.names) > left:
            yield Verdict(host=group.host.name, refusals=group.refusals, free=free_of(group.host), alike=len(group.names))
            left -= 1
            continue
        for name in group.names:
            yield Verdict(host=name, refusals=group.refusals_of(name), free=free_of(group.host))
        left -= len(group.names)


def _renamed(refusal: Refusal, name: HostName) -> str:
    """Give the remedy for another host that is alike."""
    words = refusal.remedy.split(" ")
    return " ".join(name + word[len(refusal.host) :] if word.rstrip(":,") == refusal.host else word for word in words)


def _counted(refused: Iterable[Judged]) -> tuple[ReasonCount, ...]:
    found: dict[tuple[str, str], _Count] = {}
    for group in refused:
        names = group.names
        for one in group.refusals:
            count = found.get((one.filter, one.reason))
            if count is None:
                count = found[one.filter, one.reason] = _Count(one)
            count.add(one, names)
    return tuple(sorted((count.told() for count in found.values()), key=lambda one: (-one.hosts, one.reason)))


class _Count:
    """How many hosts one reason refuses."""

    __slots__ = ("_examples", "_first", "_hosts", "_most_free")

    def __init__(self, first: Refusal) -> None:
        self._first = first
        self._hosts = 0
        self._most_free: int | None = None
        self._examples: tuple[HostName, ...] = ()

    def add(self, one: Refusal, names: Sequence[HostName]) -> None:
        """Count hosts that are alike."""
        self._hosts += len(names)
        if one.free is not None and (self._most_free is None or one.free > self._most_free):
            self._most_free = one.free
        if len(self._examples) < EXAMPLES:
            self._examples = (*self._examples, *names[: EXAMPLES - len(self._examples)])

    def told(self) -> ReasonCount:
        """Give what is told of it."""
        return ReasonCount(
            filter=self._first.filter,
            reason=self._first.reason,
            hosts=self._hosts,
            asked=self._first.asked,
            most_free=self._most_free,
            unit=self._first.unit,
            examples=self._examples,
        )
