"""One scheduler alone: decisions a second from the request's plain form to the answer's, at 1,000 and 10,000 hosts.

Hosts are half full of servers of four flavors, a tenth is disabled; requests are of the same flavors. Grouping the
hosts once a second counts; reading them from the database, and the broker, do not. The rate is that of a
process with a processor to itself: times are processor time.
"""

from __future__ import annotations

import dataclasses
import random
import statistics
import time
from pathlib import Path

from nova_lite.clock import SystemClock
from nova_lite.model import wire
from nova_lite.model.host import Host, HostFacts
from nova_lite.model.ids import HostName
from nova_lite.model.placement import PlacementRequest
from nova_lite.model.resources import Resources
from nova_lite.scheduler.service import SchedulerService
from nova_lite.scheduler.view import HostView

FLAVORS = (
    Resources(vcpus=1, ram_mib=2048, disk_gib=20),
    Resources(vcpus=2, ram_mib=4096, disk_gib=40),
    Resources(vcpus=4, ram_mib=8192, disk_gib=80),
    Resources(vcpus=8, ram_mib=16384, disk_gib=160),
)
LIMIT = Resources(vcpus=256, ram_mib=524288, disk_gib=8000)
SECONDS = 3.0
AIMS = {1_000: "3,000", 10_000: "1,500"}


def run(_folder: Path) -> dict[str, tuple[float, str, str]]:
    """Measure both sizes; a request that fits, and one that fits nowhere."""
    figures = {}
    for count, aim in AIMS.items():
        rate, p99_ms, groups = decisions(count)
        figures[f"{count} hosts"] = (rate, "decisions/s", aim)
        figures[f"{count} hosts, p99"] = (p99_ms, "ms", "")
        figures[f"{count} hosts, groups at the end"] = (groups, "", "")
        figures[f"{count} hosts, refusals"] = (decisions(count, too_much=True)[0], "decisions/s", "")
    return figures


class ProcessorClock(SystemClock):
    """Goes on only while this process has a processor: on a busy machine the hosts are not read more often for it."""

    def monotonic(self) -> float:
        """Give the processor time of this process in seconds."""
        return time.process_time()


def decisions(count: int, *, too_much: bool = False) -> tuple[float, float, int]:
    """Ask for some seconds; give the rate, the slow end in milliseconds, and how many groups the hosts stand in."""
    hosts = crowd(count)
    view = HostView(lambda: hosts, ProcessorClock())
    service = SchedulerService(view)
    asked = [dataclasses.replace(one, vcpus=one.vcpus + 1000) if too_much else one for one in FLAVORS]
    bodies = [wire.to_plain(PlacementRequest(server_id="s", project_id="p", asked=one)) for one in asked]
    service.rank(bodies[0])
    took = []
    end = time.process_time() + SECONDS
    while time.process_time() < end:
        started = time.process_time()
        service.rank({**bodies[len(took) % len(bodies)], "server_id": f"s{len(took)}"})
        took.append(time.process_time() - started)
    groups = len({(host.used, host.building, host.enabled) for host in view.hosts()})
    return len(took) / sum(took), statistics.quantiles(took, n=100)[98] * 1000, groups


def crowd(count: int) -> list[Host]:
    """Make hosts that are used as by servers of the flavors."""
    chance = random.Random(1)
    facts = HostFacts(
        hypervisor_type="QEMU",
        hypervisor_version=7002022,
        hypervisor_hostname="h",
        architectures=("x86_64", "i686"),
        total=LIMIT,
    )
    return [_host(number, facts, chance) for number in range(count)]


def _host(number: int, facts: HostFacts, chance: random.Random) -> Host:
    units = chance.randint(0, 60)
    return Host(
        name=HostName(f"h{number}"),
        uuid=str(number),
        facts=dataclasses.replace(facts, hypervisor_hostname=f"h{number}"),
        limit=LIMIT,
        used=Resources(vcpus=units, ram_mib=2048 * units, disk_gib=20 * units),
        generation=number,
        incarnation=1,
        enabled=chance.random() > 0.1,
        disabled_reason=None,
        forced_down=False,
        up=True,
        tombstones=0,
        running=units // 3,
        last_seen_age_s=chance.random() * 15,
    )
