"""NUMA nodes: each of the guest's lives on one of the host's by itself."""

from __future__ import annotations

from nova_lite.model.hardware import host as host_hardware
from nova_lite.model.host import Host
from nova_lite.model.placement import Effort, PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import lacks, refuse


class NumaFilter:
    """Refuses a host with too few NUMA nodes, or whose nodes are smaller than the guest's.

    What of a node is free only the host knows, when it places the guest: then it may still say no, and another is tried.
    """

    name = "numa"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of servers with NUMA nodes only."""
        return bool(request.hardware.cells)

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare the number, and the largest with the largest."""
        cells, offered = request.hardware.cells, host_hardware.of_text(host.facts.hardware)
        nodes = offered.nodes if offered else ()
        if len(cells) > len(nodes):
            return lacks(self.name, host, "NUMA nodes", asked=len(cells), free=len(nodes), unit="", limit=len(nodes))
        ram = zip(*(sorted((one.ram_mib for one in some), reverse=True) for some in (cells, nodes)), strict=False)
        cpus = zip(*(sorted((len(one.cpus) for one in some), reverse=True) for some in (cells, nodes)), strict=False)
        if all(asked <= has for pairs in (ram, cpus) for asked, has in pairs):
            return None
        return refuse(
            self.name,
            host,
            "has too small NUMA nodes",
            "have too small NUMA nodes",
            remedy="add a host with larger NUMA nodes, or ask for smaller ones",
            effort=Effort.CHANGE,
        )
