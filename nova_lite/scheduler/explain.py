"""Why hosts were chosen or refused, for the operator. Pure, and generic: it knows no rule, only what refusals say."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence

from nova_lite.model.host import Host
from nova_lite.model.ids import HostName
from nova_lite.model.placement import Effort, Explanation, PlacementRequest, ReasonCount, Refusal, Verdict
from nova_lite.model.resources import Resources

FITTING_SHOWN = 10  # of the hosts that fit
REFUSED_SHOWN = 64  # of the hosts that do not, when nothing fits
REFUSED_ASIDE = 3  # the same beside hosts that fit
EXAMPLES = 3
REMEDIES = 5
NO_HOST = "add a host: nova-lite host add NAME"


@dataclasses.dataclass(frozen=True)
class Judged:
    """A group of hosts that are alike, every refusal of them (their `host` is one of the group), or what weighers say."""

    host: Host
    names: Sequence[HostName]
    refusals: tuple[Refusal, ...]
    values: tuple[float, ...] = ()

    @functools.cached_property
    def cost(self) -> tuple[int, int, float]:
        """Compare refusals by the hardest thing to do, then by how much is to do, then by how much is missing."""
        missing = sum((one.asked - (one.free or 0)) / one.asked for one in self.refusals if one.lacks and one.asked)
        return max(one.effort for one in self.refusals), len(self.refusals), missing


def explain(
    request: PlacementRequest, filters: Sequence[str], judged: Sequence[Judged], fitting: Sequence[Verdict]
) -> Explanation:
    """Say what the rules said: `fitting` are the best of the hosts that fit, best first."""
    refused = [group for group in judged if group.refusals]
    fits = sum(len(group.names) for group in judged if not group.refusals)
    shown = REFUSED_ASIDE if fits else REFUSED_SHOWN
    return Explanation(
        asked=request.asked,
        filters=tuple(filters),
        hosts_seen=sum(len(group.names) for group in judged),
        fitting=fits,
        verdicts=(*fitting[:FITTING_SHOWN], *_refused(refused, shown)),
        reasons=_counted(refused),
        remedies=() if fits else remedies(refused),
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
            refusals = tuple(dataclasses.replace(one, host=name, remedy=_renamed(one, name)) for one in group.refusals)
            yield Verdict(host=name, refusals=refusals, free=free_of(group.host))
        left -= len(group.names)


def _renamed(refusal: Refusal, name: HostName) -> str:
    """Give the remedy for another host that is alike."""
    words = refusal.remedy.split(" ")
    return " ".join(name + word[len(refusal.host) :] if word.rstrip(":,") == refusal.host else word for word in words)


def _counted(refused: Iterable[Judged]) -> tuple[ReasonCount, ...]:
    found: dict[tuple[str, str], list[tuple[Refusal, Sequence[HostName]]]] = {}
    for group in refused:
        for one in group.refusals:
            found.setdefault((one.filter, one.reason), []).append((one, group.names))
    return tuple(sorted((_count(pairs) for pairs in found.values()), key=lambda one: (-one.hosts, one.reason)))


def _count(pairs: Sequence[tuple[Refusal, Sequence[HostName]]]) -> ReasonCount:
    first = pairs[0][0]
    return ReasonCount(
        filter=first.filter,
        reason=first.reason,
        hosts=sum(len(names) for _, names in pairs),
        asked=first.asked,
        most_free=max((one.free for one, _ in pairs if one.free is not None), default=None),
        unit=first.unit,
        examples=tuple(name for _, names in pairs[:EXAMPLES] for name in names[:EXAMPLES])[:EXAMPLES],
    )
