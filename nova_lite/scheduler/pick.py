"""Choosing: a function from a request and hosts to a ranking. It reads nothing and writes nothing.

Hosts that no rule can tell apart are looked at once (crowd.py). The same request over the same hosts gives the same
ranking; ties are broken by the server's id, so that many schedulers with the same view do not all send their servers to
the same host.
"""

from __future__ import annotations

import dataclasses
import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from nova_lite.model.host import Host
from nova_lite.model.ids import HostName
from nova_lite.model.placement import PlacementRequest, Ranking, Refusal, Verdict
from nova_lite.scheduler.crowd import Crowd, Group
from nova_lite.scheduler.explain import FITTING_SHOWN, Judged, Refused, explain, free_of
from nova_lite.scheduler.filters.aggregate_flavors import AggregateFlavorsFilter
from nova_lite.scheduler.filters.aggregate_images import AggregateImagesFilter
from nova_lite.scheduler.filters.aggregate_specs import AggregateSpecsFilter
from nova_lite.scheduler.filters.aggregate_tenants import AggregateTenantsFilter
from nova_lite.scheduler.filters.capabilities import CapabilitiesFilter
from nova_lite.scheduler.filters.different_host import DifferentHostFilter
from nova_lite.scheduler.filters.disk import DiskFilter
from nova_lite.scheduler.filters.group import GroupFilter
from nova_lite.scheduler.filters.hardware import HardwareFilter
from nova_lite.scheduler.filters.image import ImageFilter
from nova_lite.scheduler.filters.io_ops import IoOpsFilter
from nova_lite.scheduler.filters.near import NearFilter
from nova_lite.scheduler.filters.num_instances import NumInstancesFilter
from nova_lite.scheduler.filters.numa import NumaFilter
from nova_lite.scheduler.filters.pages import PagesFilter
from nova_lite.scheduler.filters.pcpu import PcpuFilter
from nova_lite.scheduler.filters.port import Filter, OnDemand
from nova_lite.scheduler.filters.query import QueryFilter
from nova_lite.scheduler.filters.ram import RamFilter
from nova_lite.scheduler.filters.resources import ResourcesFilter
from nova_lite.scheduler.filters.same_host import SameHostFilter
from nova_lite.scheduler.filters.set_aside import SetAsideFilter
from nova_lite.scheduler.filters.state import StateFilter
from nova_lite.scheduler.filters.traits import TraitsFilter
from nova_lite.scheduler.filters.tried import TriedFilter
from nova_lite.scheduler.filters.vcpu import VcpuFilter
from nova_lite.scheduler.filters.zone import ZoneFilter
from nova_lite.scheduler.weighers.building import BuildingWeigher
from nova_lite.scheduler.weighers.disk import DiskWeigher
from nova_lite.scheduler.weighers.failures import FailuresWeigher
from nova_lite.scheduler.weighers.port import Weigher
from nova_lite.scheduler.weighers.ram import RamWeigher
from nova_lite.scheduler.weighers.soft_affinity import SoftAffinityWeigher
from nova_lite.scheduler.weighers.vcpu import VcpuWeigher

_FIRST: tuple[Filter, ...] = (ZoneFilter(), StateFilter(), TriedFilter(), ImageFilter())
_ON_DEMAND: tuple[OnDemand, ...] = (
    GroupFilter(),
    SameHostFilter(),
    DifferentHostFilter(),
    NearFilter(),
    QueryFilter(),
    TraitsFilter(),
    ResourcesFilter(),
    CapabilitiesFilter(),
    AggregateSpecsFilter(),
    HardwareFilter(),
    NumaFilter(),
    PcpuFilter(),
    PagesFilter(),
)
# Asked about hosts that are in aggregates only.
_OF_AGGREGATES: tuple[Filter, ...] = (
    AggregateTenantsFilter(),
    AggregateImagesFilter(),
    AggregateFlavorsFilter(),
    NumInstancesFilter(),
    IoOpsFilter(),
)
_LAST: tuple[Filter, ...] = (
    RamFilter(),
    VcpuFilter(),
    DiskFilter(),
    SetAsideFilter(),  # the last: what it refuses fits otherwise
)
# In this order: the first refusal of a host is the one that is told.
FILTERS: tuple[Filter, ...] = (*_FIRST, *_ON_DEMAND, *_OF_AGGREGATES, *_LAST)
_USUAL: tuple[Weigher, ...] = (RamWeigher(), VcpuWeigher(), DiskWeigher(), BuildingWeigher(), FailuresWeigher())
WEIGHERS: tuple[Weigher, ...] = (*_USUAL, SoftAffinityWeigher())
RANKED_AT_MOST = 32
SCORE_STEPS = 1e9  # in one: what differs by less is equal
REFUSALS_AT_MOST = 200  # in a message where nothing fits; `counts` and `sentence` speak of all hosts
REFUSALS_ASIDE = 5  # the same where something fits


def pick(request: PlacementRequest, hosts: Sequence[Host]) -> Ranking:
    """Rank the hosts that fit, best first, and say why each other one fell out."""
    return pick_of(request, Crowd(hosts))


def pick_of(request: PlacementRequest, crowd: Crowd) -> Ranking:
    """Do what `pick` does with hosts that are kept in groups."""
    groups = _without_trials(request, _with_least_bad(crowd.groups(request)))
    shape = crowd.shape_of(request)
    judged = _judged(request, shape, groups)
    refused = _refused(crowd, shape, [group for group in judged if group.refusals])
    fitting = [group for group in judged if not group.refusals]
    scores = _Scores(fitting)
    ranked = scores.ranked(request.server_id, max(RANKED_AT_MOST, request.count))
    best = scores.verdicts(ranked[:FITTING_SHOWN])
    explanation = explain(request.asked, [rule.name for rule in FILTERS], fitting, refused, best)
    return Ranking(
        hosts=tuple(name for name, _ in ranked),
        on_trial=tuple(name for name, group in ranked if group.host.on_trial),
        refusals=refused.first(REFUSALS_ASIDE if fitting else REFUSALS_AT_MOST),
        hosts_seen=explanation.hosts_seen,
        counts=refused.counts,
        sentence="" if fitting else sentence(refused.groups),
        passing=refused.passing,
        explanation=explanation,
    )


def _refused(crowd: Crowd, shape: int, groups: list[Judged]) -> Refused:
    known = crowd.refused.get(shape)
    if known is None or not known.are(groups):
        known = crowd.refused[shape] = Refused(groups)
    return known


def _with_least_bad(groups: list[Group]) -> list[Group]:
    """Keep in use those that failed least when all hosts that could work are set aside: a bad image must not stop a cloud."""
    if any(group.host.set_aside_s is None and group.host.enabled and group.host.up for group in groups):
        return groups  # found with the first look, as a rule
    working = [group.host for group in groups if group.host.enabled and group.host.up]
    if not working:
        return groups
    least = min(host.failed_in_row for host in working)
    return [
        _changed(group, set_aside_s=None, failed_in_row=0)
        if group.host.enabled and group.host.up and group.host.failed_in_row == least
        else group
        for group in groups
    ]


def _without_trials(request: PlacementRequest, groups: list[Group]) -> list[Group]:
    """Let no request of many servers be the one that tries a host out, as long as another host could work."""
    if request.count == 1:
        return groups
    hosts = [group.host for group in groups]
    if all(host.on_trial for host in hosts if host.enabled and host.up and host.set_aside_s is None):
        return groups
    return [_changed(group, set_aside_s=0.0) if group.host.on_trial else group for group in groups]


def _changed(group: Group, **fields: float | None) -> Group:
    return Group(dataclasses.replace(group.host, **fields), group.names)  # type: ignore[arg-type]


def sentence(refused: Sequence[Judged]) -> str:
    """Say in words without a host's name why none fits: "of 4 hosts 3 lack memory (512 MiB asked, ...)"."""
    if not refused:
        return "no compute host has joined this cloud yet"
    reasons: dict[str, list[tuple[Refusal, int]]] = {}
    for group in refused:
        reasons.setdefault(group.refusals[0].reason, []).append((group.refusals[0], len(group.names)))
    sized = [(sum(count for _, count in found), found) for found in reasons.values()]
    parts = [_part(number, found) for number, found in sorted(sized, key=lambda pair: (-pair[0], pair[1][0][0].reason))]
    total = sum(number for number, _ in sized)
    return f"of {total} {'host' if total == 1 else 'hosts'} {', '.join(parts)}"


def _part(number: int, found: Sequence[tuple[Refusal, int]]) -> str:
    first = found[0][0]
    words = f"{number} {first.reason if number == 1 else first.plural}"
    if first.lacks is None:
        return words
    most = max(refusal.free or 0 for refusal, _ in found)
    return f"{words} ({' '.join(filter(None, (str(first.asked), first.unit)))} asked, {most} free at most)"


def _rules_for(request: PlacementRequest) -> tuple[Filter, ...]:
    """Leave out what few requests ask for, where this one does not."""
    idle = {rule.name for rule in _ON_DEMAND if not rule.concerns(request)}
    return tuple(rule for rule in FILTERS if rule.name not in idle)


def _judged(request: PlacementRequest, shape: int, groups: Sequence[Group]) -> list[Judged]:
    """Ask the rules about each group of which nothing is known yet for requests of this shape."""
    judged: list[Judged | None] = [group.known.get(shape) for group in groups]
    if None in judged:
        rules = _rules_for(request)
        return [known or _judge(request, shape, group, rules) for known, group in zip(judged, groups, strict=True)]
    return cast(list[Judged], judged)


def _judge(request: PlacementRequest, shape: int, group: Group, rules: Sequence[Filter]) -> Judged:
    """Ask every rule: the first refusal is the one that is told, all are explained. What fits is weighed."""
    host = group.host
    refusals = tuple(refusal for rule in rules if (refusal := rule.passes(request, host)) is not None)
    values = () if refusals else tuple(weigher.weigh(request, host) for weigher in WEIGHERS)
    judged = group.known[shape] = Judged(group, refusals, values)
    return judged


class _Scores:
    """What weighers say of groups that fit, made comparable: the span of all values counts as the weigher's multiplier."""

    def __init__(self, fitting: Sequence[Judged]) -> None:
        """Look at each weigher's values at once, and add up those that tell groups apart."""
        self._fitting = fitting
        columns = list(zip(*(group.values for group in fitting), strict=True))
        self._scales = [_scale(weigher, column) for weigher, column in zip(WEIGHERS, columns, strict=True)] if columns else []
        totals = [0.0] * len(fitting)
        for column, (low, factor) in zip(columns, self._scales, strict=True):
            if factor:
                totals = [total + (value - low) * factor for total, value in zip(totals, column, strict=True)]
        self._totals = [int(total * SCORE_STEPS + 0.5) for total in totals]  # sums of the same in another order are the same

    def ranked(self, server_id: str, limit: int) -> list[tuple[HostName, Judged]]:
        """Rank hosts: better groups first, equal ones and those in a group in an order that the server's id draws."""
        seed = _lot(server_id)
        ranked: list[tuple[HostName, Judged]] = []
        for group in self._in_order(seed):
            ranked += [(name, group) for name in _drawn(seed, group.names, limit - len(ranked))]
            if len(ranked) >= limit:
                break
        return ranked

    def _in_order(self, seed: int) -> Iterator[Judged]:
        best_first = sorted(range(len(self._fitting)), key=self._totals.__getitem__, reverse=True)
        for _, equal in itertools.groupby(best_first, self._totals.__getitem__):
            yield from sorted((self._fitting[number] for number in equal), key=lambda group: _lot(group.host.name, seed))

    def verdicts(self, ranked: Iterable[tuple[HostName, Judged]]) -> list[Verdict]:
        """Say what each weigher gave hosts that were ranked."""
        return [
            Verdict(host=name, weights=weights, free=free)
            for group, of_group in itertools.groupby(ranked, lambda pair: pair[1])
            for weights, free in [(self._weights(group), free_of(group.host))]
            for name, _ in of_group
        ]

    def _weights(self, group: Judged) -> dict[str, float]:
        scaled = zip(WEIGHERS, group.values, self._scales, strict=True)
        return {weigher.name: round((value - low) * factor, 4) if factor else 0.0 for weigher, value, (low, factor) in scaled}


def _scale(weigher: Weigher, values: Sequence[float]) -> tuple[float, float]:
    """Give the lowest value, and what makes the span of all values the weigher's multiplier."""
    low, high = min(values), max(values)
    return low, weigher.multiplier / (high - low) if high > low else 0.0


def _drawn(seed: int, names: Sequence[HostName], limit: int) -> Sequence[HostName]:
    start = _lot(names[0], seed) % len(names) if len(names) > 1 else 0
    return (*names[start : start + limit], *names[: max(0, min(start, limit - (len(names) - start)))])


def _lot(word: str, seed: int = 0) -> int:
    """Draw a number that is the same everywhere: it only has to spread, at little cost."""
    return zlib.crc32(word.encode(), seed)
