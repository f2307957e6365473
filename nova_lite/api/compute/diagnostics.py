"""What a running guest uses, asked of its host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_lite import errors
from nova_lite.api.admission import Kind
from nova_lite.api.compute.lookup import server_of
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.model.diagnostics import Diagnostics
from nova_lite.model.guest import PowerState
from nova_lite.model.server import Server
from nova_lite.rpc.compute import GetDiagnostics

View = dict[str, Any]
KIB_A_MIB = 1024
UNKNOWN = -1  # libvirt's word for a count of errors that it does not keep


def _flat(server: Server, found: Diagnostics) -> View:
    view: View = {f"cpu{cpu.id}_time": cpu.time_ns for cpu in found.cpus}
    view["memory"] = found.memory_mib * KIB_A_MIB
    for disk in found.disks:
        view |= {
            f"{disk.device}_read_req": disk.read_requests,
            f"{disk.device}_read": disk.read_bytes,
            f"{disk.device}_write_req": disk.write_requests,
            f"{disk.device}_write": disk.write_bytes,
            f"{disk.device}_errors": UNKNOWN if disk.errors is None else disk.errors,
        }
    for nic in found.nics:
        for way, flow in (("rx", nic.received), ("tx", nic.sent)):
            view |= {
                f"{nic.device}_{way}": flow.octets,
                f"{nic.device}_{way}_packets": flow.packets,
                f"{nic.device}_{way}_errors": flow.errors,
                f"{nic.device}_{way}_drop": flow.dropped,
            }
    return view


def _standard(server: Server, found: Diagnostics) -> View:
    return {
        "state": "running",
        "driver": found.driver,
        "hypervisor": found.hypervisor,
        "hypervisor_os": found.hypervisor_os,
        "uptime": found.uptime_s,
        "config_drive": server.config_drive,
        "num_cpus": len(found.cpus),
        "num_disks": len(found.disks),
        "num_nics": len(found.nics),
        "cpu_details": [{"id": cpu.id, "time": cpu.time_ns, "utilisation": None} for cpu in found.cpus],
        "memory_details": {"maximum": found.memory_mib, "used": found.memory_used_mib},
        "disk_details": [
            {
                "read_bytes": disk.read_bytes,
                "read_requests": disk.read_requests,
                "write_bytes": disk.write_bytes,
                "write_requests": disk.write_requests,
                "errors_count": disk.errors,
            }
            for disk in found.disks
        ],
        "nic_details": [
            {
                "mac_address": nic.mac_address,
                "rx_octets": nic.received.octets,
                "rx_packets": nic.received.packets,
                "rx_errors": nic.received.errors,
                "rx_drop": nic.received.dropped,
                "rx_rate": None,
                "tx_octets": nic.sent.octets,
                "tx_packets": nic.sent.packets,
                "tx_errors": nic.sent.errors,
                "tx_drop": nic.sent.dropped,
                "tx_rate": None,
            }
            for nic in found.nics
        ],
    }


VIEW: ByVersion[Callable[[Server, Diagnostics], View]] = ByVersion({"2.1": _flat, "2.48": _standard})


def show_diagnostics(request: Request) -> Answer:
    """Ask the server's host. Raises: Conflict while the guest does not run; Unavailable when the host does not answer."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    if server.host is None:
        raise errors.Conflict(f"Instance {server.id} is not ready")
    if server.power_state is not PowerState.RUNNING:
        raise errors.Conflict(f"Cannot 'get_diagnostics' instance {server.id} while it is not running.")
    if request.parts.compute is None:
        raise errors.Unavailable("No message broker: the host cannot be asked at the moment.")
    with request.parts.admission.slot(Kind.HOST):
        found = request.parts.compute.get_diagnostics(server.host, GetDiagnostics(server_id=server.id))
    return Answer(body=VIEW.at(request.version)(server, found))


def show_topology(request: Request) -> Answer:
    """Show the NUMA nodes of a guest, which has none of its own: it is spread over its host."""
    with request.parts.database.read() as tx:
        server_of(request, tx)
    return Answer(body={"nodes": [], "pagesize_kb": None})
