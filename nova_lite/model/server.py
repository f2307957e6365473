"""A server's record, and the states that are computed from it and its live operation."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from nova_lite.model.flavor import Flavor
from nova_lite.model.guest import BlankDisk, InjectedFile, PowerState
from nova_lite.model.ids import HostName, ImageId, OperationId, ProjectId, ServerId, UserId


class ServerState(enum.StrEnum):
    """The settled state in the server's row (DESIGN section 4)."""

    BUILDING = "building"
    ACTIVE = "active"
    STOPPED = "stopped"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    RESCUED = "rescued"
    RESIZED = "resized"
    SHELVED = "shelved"
    SHELVED_OFFLOADED = "shelved_offloaded"
    SOFT_DELETED = "soft-delete"
    ERROR = "error"
    DELETED = "deleted"


class TaskState(enum.StrEnum):
    """What a live operation is shown as in OS-EXT-STS:task_state."""

    SCHEDULING = "scheduling"
    NETWORKING = "networking"
    BLOCK_DEVICE = "block_device_mapping"
    SPAWNING = "spawning"
    DELETING = "deleting"
    SOFT_DELETING = "soft-deleting"
    RESTORING = "restoring"
    POWERING_ON = "powering-on"
    POWERING_OFF = "powering-off"
    REBOOTING = "rebooting"
    REBOOTING_HARD = "rebooting_hard"
    PAUSING = "pausing"
    UNPAUSING = "unpausing"
    SUSPENDING = "suspending"
    RESUMING = "resuming"
    RESCUING = "rescuing"
    UNRESCUING = "unrescuing"
    REBUILDING = "rebuilding"
    REBUILD_BLOCK_DEVICE = "rebuild_block_device_mapping"
    REBUILD_SPAWNING = "rebuild_spawning"
    RESIZE_PREP = "resize_prep"
    RESIZE_MIGRATING = "resize_migrating"
    RESIZE_MIGRATED = "resize_migrated"
    RESIZE_FINISH = "resize_finish"
    RESIZE_REVERTING = "resize_reverting"
    RESIZE_CONFIRMING = "resize_confirming"
    MIGRATING = "migrating"
    SNAPSHOT_PENDING = "image_snapshot_pending"
    SNAPSHOT = "image_snapshot"
    SNAPSHOT_UPLOAD_PENDING = "image_pending_upload"
    SNAPSHOT_UPLOADING = "image_uploading"
    BACKUP = "image_backup"
    UPDATING_PASSWORD = "updating_password"  # noqa: S105 - a state, as the API spells it
    SHELVING = "shelving"
    SHELVING_UPLOAD_PENDING = "shelving_image_pending_upload"
    SHELVING_UPLOADING = "shelving_image_uploading"
    SHELVING_OFFLOADING = "shelving_offloading"
    UNSHELVING = "unshelving"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RequestedNetwork:
    """One entry of a create request's `networks`: a network (any port on it), or a port of the user's."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class LiveOperation:
    """The part of an operation that a server's view needs."""

    id: OperationId
    workflow: str
    step: str | None
    unwinding: bool
    task_state: TaskState | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """Why a server is in ERROR, in words for its owner."""

    code: int
    message: str
    details: str | None
    created_at: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Server:
    """A server. Times are seconds since 1970 (wall clock); `host` is None until it first ran, and after it was deleted."""

    id: ServerId
    project_id: ProjectId
    user_id: UserId
    name: str
    hostname: str
    description: str | None = None
    state: ServerState
    power_state: PowerState = PowerState.NOSTATE
    flavor: Flavor
    image_id: ImageId | None = None
    image_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    host: HostName | None = None
    availability_zone: str | None = None
    requested_zone: str | None = None
    requested_host: HostName | None = None
    requested_networks: tuple[RequestedNetwork, ...] = ()
    no_network: bool = False
    blank_disks: tuple[BlankDisk, ...] | None = None  # None: the flavor's own
    key_name: str | None = None
    key_type: str | None = None
    key_data: str | None = None
    user_data: str | None = None
    files: tuple[InjectedFile, ...] = ()
    config_drive: bool = False
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    locked: bool = False
    locked_reason: str | None = None
    locked_by: str | None = None  # owner, or admin: then only an admin unlocks it
    disk_config: str = "MANUAL"
    reservation_id: str = ""
    launch_index: int = 0
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    scheduler_hints: Mapping[str, object] = dataclasses.field(default_factory=dict)
    fault: Fault | None = None
    addresses: tuple[ServerAddress, ...] = ()
    live: LiveOperation | None = None
    host_up: bool | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    launched_at: float | None = None
    terminated_at: float | None = None
    shelved_at: float | None = None
    flat_disk: bool = False  # the root disk lies on no image (GuestSpec.flat)
    shelved_image_id: ImageId | None = None  # has the disk of a server that is shelved


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """An address as a server's view shows it; kept with the server so that lists need no port query."""

    network: str
    ip_address: str
    mac_address: str
    version: int = 4
