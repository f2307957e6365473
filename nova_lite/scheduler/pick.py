"""Choosing: a function from a request and hosts to a ranking. It reads nothing and writes nothing.

The same request over the same hosts gives the same ranking; ties are broken by the server's id, so that many
schedulers with the same view do not all send their servers to the same host.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Ranking, Refusal
from nova_lite.scheduler.filters.aggregate_flavors import AggregateFlavorsFilter
from nova_lite.scheduler.filters.aggregate_images import AggregateImagesFilter
from nova_lite.scheduler.filters.aggregate_specs import AggregateSpecsFilter
from nova_lite.scheduler.filters.aggregate_tenants import AggregateTenantsFilter
from nova_lite.scheduler.filters.capabilities import CapabilitiesFilter
from nova_lite.scheduler.filters.different_host import DifferentHostFilter
from nova_lite.scheduler.filters.disk import DiskFilter
from nova_lite.scheduler.filters.group import GroupFilter
from nova_lite.scheduler.filters.image import ImageFilter
from nova_lite.scheduler.filters.io_ops import IoOpsFilter
from nova_lite.scheduler.filters.near import NearFilter
from nova_lite.scheduler.filters.num_instances import NumInstancesFilter
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
REFUSALS_AT_MOST = 200  # in a message; `counts` and `sentence` speak of all hosts


def pick(request: PlacementRequest, hosts: Sequence[Host]) -> Ranking:
    """Rank the hosts that fit, best first, and say why each other one fell out."""
    fitting: list[Host] = []
    refusals: list[Refusal] = []
    hosts = _without_trials(request, _with_least_bad(hosts))
    asked = tuple(rule for rule in _ON_DEMAND if rule.concerns(request))
    plain, grouped = (*_FIRST, *asked, *_LAST), (*_FIRST, *asked, *_OF_AGGREGATES, *_LAST)
    for host in hosts:
        refusal = _first_refusal(grouped if host.aggregate_metadata else plain, request, host)
        if refusal is None:
            fitting.append(host)
        else:
            refusals.append(refusal)
    ranked = _ranked(request, fitting)[: max(RANKED_AT_MOST, request.count)]
    return Ranking(
        hosts=tuple(host.name for host in ranked),
        on_trial=tuple(host.name for host in ranked if host.on_trial),
        refusals=tuple(refusals[:REFUSALS_AT_MOST]),
        hosts_seen=len(hosts),
        counts=dict(Counter(refusal.reason for refusal in refusals)),
        sentence="" if fitting else explain(refusals),
        passing=any(refusal.passing for refusal in refusals),
    )


def _with_least_bad(hosts: Sequence[Host]) -> Sequence[Host]:
    """Keep in use those that failed least when all hosts that could work are set aside: a bad image must not stop a cloud."""
    working = [host for host in hosts if host.enabled and host.up]
    if not working or any(host.set_aside_s is None for host in working):
        return hosts
    least = min(host.failed_in_row for host in working)
    spared = {host.name for host in working if host.failed_in_row == least}
    return [dataclasses.replace(host, set_aside_s=None, failed_in_row=0) if host.name in spared else host for host in hosts]


def _without_trials(request: PlacementRequest, hosts: Sequence[Host]) -> Sequence[Host]:
    """Let no request of many servers be the one that tries a host out, as long as another host could work."""
    if request.count == 1 or all(host.on_trial for host in hosts if host.enabled and host.up and host.set_aside_s is None):
        return hosts
    return [dataclasses.replace(host, set_aside_s=0.0) if host.on_trial else host for host in hosts]


def explain(refusals: Sequence[Refusal]) -> str:
    """Say in one sentence why no host fits: "4 hosts: 3 lack memory (512 MiB asked, 320 free at most), 1 is disabled"."""
    if not refusals:
        return "No compute host has joined this cloud yet."
    groups: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        groups.setdefault(refusal.reason, []).append(refusal)
    parts = [_part(group) for group in sorted(groups.values(), key=lambda group: (-len(group), group[0].reason))]
    noun = "host" if len(refusals) == 1 else "hosts"
    return f"{len(refusals)} {noun}: {', '.join(parts)}"


def _part(group: Sequence[Refusal]) -> str:
    first = group[0]
    words = f"{len(group)} {first.reason if len(group) == 1 else first.plural}"
    if first.lacks is None:
        return words
    most = max(refusal.free or 0 for refusal in group)
    return f"{words} ({' '.join(filter(None, (str(first.asked), first.unit)))} asked, {most} free at most)"


def _first_refusal(rules: Sequence[Filter], request: PlacementRequest, host: Host) -> Refusal | None:
    for rule in rules:
        refusal = rule.passes(request, host)
        if refusal is not None:
            return refusal
    return None


def _ranked(request: PlacementRequest, hosts: Sequence[Host]) -> list[Host]:
    scores = dict.fromkeys((host.name for host in hosts), 0.0)
    for weigher in WEIGHERS if request.neighbours.group is not None else _USUAL:
        values = [weigher.weigh(request, host) for host in hosts]
        low, span = min(values, default=0.0), max(values, default=0.0) - min(values, default=0.0)
        if span:
            for host, value in zip(hosts, values, strict=True):
                scores[host.name] += weigher.multiplier * (value - low) / span
    return sorted(hosts, key=lambda host: (-round(scores[host.name], 9), _lot(request.server_id, host.name)))


def _lot(server_id: str, host: str) -> bytes:
    return hashlib.blake2b(f"{server_id}/{host}".encode(), digest_size=8).digest()
