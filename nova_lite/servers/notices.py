"""Notifications about servers: written into the outbox in the transaction of what they tell, in Nova's versioned form.

The form is that of the published samples (nova's doc/notification_samples): each object is a mapping of `nova_object.data`,
`.name`, `.namespace` and `.version`.
"""

from __future__ import annotations

import dataclasses
import datetime
import socket
import uuid
from collections.abc import Mapping
from typing import Any

from nova_lite.db import outbox
from nova_lite.db.engine import Tx
from nova_lite.model.flavor import Flavor
from nova_lite.model.guest import PowerState
from nova_lite.model.image import KERNEL, RAMDISK
from nova_lite.model.server import Server, ServerAddress, ServerState

Plain = dict[str, Any]
VERSIONS = {
    "InstanceActionPayload": "1.8",
    "InstanceCreatePayload": "1.12",
    "InstanceUpdatePayload": "2.0",
    "InstanceExistsPayload": "2.0",
    "InstanceStateUpdatePayload": "1.0",
    "AuditPeriodPayload": "1.0",
    "ExceptionPayload": "1.1",
    "FlavorPayload": "1.4",
    "IpPayload": "1.0",
    "KeypairPayload": "1.0",
}
POWER = {PowerState.NOSTATE: "pending"}  # the others are called as they are
FROM_API = frozenset({"update"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notice:
    """What a notification says beside the server's record: who began it, what runs, and what went wrong (step, sentence)."""

    user_id: str | None = None
    project_id: str | None = None
    request_id: str | None = None
    task: str | None = None
    fault: tuple[str, str] | None = None


def write(tx: Tx, server: Server, event: str, notice: Notice) -> None:
    """Write `instance.<event>`: create.start, delete.end, reboot.error..."""
    kind = "InstanceCreatePayload" if event.startswith("create.") else "InstanceActionPayload"
    data = {**_server(server, notice), "fault": _fault(notice)}
    if kind == "InstanceCreatePayload":
        data |= {"keypairs": _keypairs(server), "tags": list(server.tags), "trusted_image_certificates": None}
        data["instance_name"] = f"instance-{server.id}"
    _insert(tx, [_row(tx, server, event, _object(kind, data))])


def write_update(tx: Tx, before: Server, after: Server) -> None:
    """Write `instance.update` with what the state was and is."""
    state = {
        "old_state": before.state.value,
        "state": after.state.value,
        "old_task_state": None,
        "new_task_state": None,
    }
    data = {
        **_server(after, Notice()),
        "state_update": _object("InstanceStateUpdatePayload", state),
        "audit_period": _period(_midnight(after.updated_at), after.updated_at),
        "old_display_name": before.name if before.name != after.name else None,
        "tags": list(after.tags),
    }
    _insert(tx, [_row(tx, after, "update", _object("InstanceUpdatePayload", data))])


def write_exists(tx: Tx, servers: list[Server], start: float, end: float) -> None:
    """Write `instance.exists` for servers that lived at some moment of a period (wall clock)."""
    period = _period(start, end)
    payloads = [(server, {**_server(server, Notice()), "audit_period": period}) for server in servers]
    _insert(tx, [_row(tx, server, "exists", _object("InstanceExistsPayload", data)) for server, data in payloads])


def _insert(tx: Tx, rows: list[Plain]) -> None:
    if rows:
        outbox.insert(tx, rows)


def _row(tx: Tx, server: Server, event: str, payload: Plain) -> Plain:
    source = "nova-api" if event in FROM_API else "nova-compute"
    return {
        "message_id": str(uuid.uuid4()),
        "event_type": f"instance.{event}",
        "priority": "ERROR" if event.endswith(".error") else "INFO",
        "publisher_id": f"{source}:{server.host or socket.gethostname()}",
        "payload": payload,
        "created_at": tx.database.clock.wall(),
    }


def _object(name: str, data: Mapping[str, Any]) -> Plain:
    return {
        "nova_object.name": name,
        "nova_object.namespace": "nova",
        "nova_object.version": VERSIONS[name],
        "nova_object.data": dict(data),
    }


def _server(server: Server, notice: Notice) -> Plain:
    """Give what every payload has. `node` is the host: there is one hypervisor a host."""
    deleted = server.state is ServerState.DELETED
    return {
        "uuid": server.id,
        "user_id": server.user_id,
        "tenant_id": server.project_id,
        "reservation_id": server.reservation_id,
        "display_name": server.name,
        "display_description": server.description,
        "host_name": server.hostname,
        "host": server.host,
        "node": server.host,
        "os_type": server.image_properties.get("os_type"),
        "architecture": server.image_properties.get("hw_architecture"),
        "availability_zone": server.availability_zone,
        "flavor": _flavor(server.flavor),
        "image_uuid": server.image_id or "",
        "key_name": server.key_name,
        "kernel_id": server.image_properties.get(KERNEL) or "",
        "ramdisk_id": server.image_properties.get(RAMDISK) or "",
        "created_at": _time(server.created_at),
        "launched_at": _time(server.launched_at),
        "terminated_at": _time(server.terminated_at),
        "deleted_at": _time(server.terminated_at) if deleted else None,
        "updated_at": _time(server.updated_at),
        "state": server.state.value,
        "power_state": POWER.get(server.power_state, server.power_state.name.lower()),
        "task_state": notice.task,
        "progress": 0,
        "ip_addresses": [_address(address) for address in server.addresses],
        "block_devices": [],
        "metadata": dict(server.metadata),
        "locked": server.locked,
        "locked_reason": server.locked_reason,
        "auto_disk_config": server.disk_config,
        "request_id": notice.request_id,
        "action_initiator_user": notice.user_id,
        "action_initiator_project": notice.project_id,
    }


def _flavor(flavor: Flavor) -> Plain:
    data = {
        "flavorid": flavor.id,
        "name": flavor.name,
        "memory_mb": flavor.ram_mib,
        "vcpus": flavor.vcpus,
        "root_gb": flavor.disk_gib,
        "ephemeral_gb": flavor.ephemeral_gib,
        "swap": flavor.swap_mib,
        "rxtx_factor": flavor.rxtx_factor,
        "vcpu_weight": 0,
        "disabled": flavor.disabled,
        "is_public": flavor.is_public,
        "extra_specs": dict(flavor.extra_specs),
        "projects": None,
        "description": flavor.description,
    }
    return _object("FlavorPayload", data)


def _address(address: ServerAddress) -> Plain:
    data = {
        "mac": address.mac_address,
        "address": address.ip_address,
        "version": address.version,
        "label": address.network,
        "port_uuid": None,
        "device_name": None,
        "meta": {},
    }
    return _object("IpPayload", data)


def _keypairs(server: Server) -> list[Plain]:
    if server.key_name is None:
        return []
    data = {
        "user_id": server.user_id,
        "name": server.key_name,
        "type": server.key_type,
        "public_key": server.key_data,
        "fingerprint": "",
    }
    return [_object("KeypairPayload", data)]


def _fault(notice: Notice) -> Plain | None:
    if notice.fault is None:
        return None
    step, sentence = notice.fault
    data = {
        "module_name": "nova_lite.workflows",
        "function_name": step,
        "exception": "StepFailed",
        "exception_message": sentence,
        "traceback": "",
    }
    return _object("ExceptionPayload", data)


def _period(start: float, end: float) -> Plain:
    return _object("AuditPeriodPayload", {"audit_period_beginning": _time(start), "audit_period_ending": _time(end)})


def _midnight(wall: float) -> float:
    return wall - wall % 86400.0


def _time(wall: float | None) -> str | None:
    if wall is None:
        return None
    return datetime.datetime.fromtimestamp(wall, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
