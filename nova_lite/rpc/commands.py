"""What hosts are ordered to do: one dataclass an order.

Every command says what should be, carries the pair (fence, turn) and may come twice (ENGINE.md, Commands and reports).
A new one is a class here, its work in `compute/works.py`, and the guest's side in the drivers.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import ClassVar

from nova_lite.model.guest import GuestInterface, GuestSpec
from nova_lite.model.ids import HostName, OperationId, ServerId
from nova_lite.model.image import ImageSource, ImageTarget


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommandHead:
    """Which step of which operation orders this, and the pair that lets the host refuse what is late."""

    server_id: ServerId
    operation_id: OperationId
    request_id: str
    step: str
    unwinding: bool
    attempt: int
    fence: int
    turn: int
    incarnation: int
    time_left_s: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """An order to a host. `method` is its name on the wire."""

    method: ClassVar[str]
    head: CommandHead


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnsureGuest(Command):
    """There is to be a running guest as `spec` says."""

    method = "ensure_guest"
    spec: GuestSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class RemoveGuest(Command):
    """There is to be no guest, disk, tap or metadata of this server."""

    method = "remove_guest"


class Power(enum.StrEnum):
    """The power a guest should have."""

    ON = "on"
    OFF = "off"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnsurePower(Command):
    """The guest is to have this power. Off asks the guest first and pulls the plug after `graceful_s`.

    On is whatever lets it run: what is paused or suspended goes on where it was.
    """

    method = "ensure_power"
    power: Power
    graceful_s: float = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class RebootGuest(Command):
    """The guest is to have been rebooted once since this step began; the ledger makes a repeat harmless."""

    method = "reboot_guest"
    hard: bool
    graceful_s: float = 60.0


class Quiesce(enum.StrEnum):
    """Whether the guest's agent holds its file systems still for the moment that a snapshot shows."""

    NO = "no"
    TRY = "try"  # as well as it goes
    MUST = "must"  # else there is no snapshot


@dataclasses.dataclass(frozen=True, kw_only=True)
class TakeSnapshot(Command):
    """The guest's root disk is to be held as it is at this moment, while the guest goes on."""

    method = "take_snapshot"
    quiesce: Quiesce = Quiesce.NO


@dataclasses.dataclass(frozen=True, kw_only=True)
class UploadSnapshot(Command):
    """The disk that was held is to be in the image service, and held no longer; one that is not held any more is anew."""

    method = "upload_snapshot"
    target: ImageTarget
    quiesce: Quiesce = Quiesce.NO


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReleaseSnapshot(Command):
    """No disk of the guest is to be held for a snapshot."""

    method = "release_snapshot"


class Hold(enum.StrEnum):
    """How a guest is held; it goes on where it was when its power is to be on."""

    PAUSED = "paused"  # in memory, its CPUs stopped
    SUSPENDED = "suspended"  # its memory kept in a file, over a reboot of the host


@dataclasses.dataclass(frozen=True, kw_only=True)
class HoldGuest(Command):
    """The guest is to be held."""

    method = "hold_guest"
    hold: Hold


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetPassword(Command):
    """A user of the guest is to have this password, set by the guest's agent; None: the system's administrator."""

    method = "set_password"
    password: str  # never logged
    user: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrashGuest(Command):
    """The guest is to have got one interrupt (NMI) that makes its system dump; the ledger makes a repeat harmless."""

    method = "crash_guest"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FetchImage(Command):
    """The host is to have an image in its cache, and `more` of them, so that what needs them later does not fail for it."""

    method = "fetch_image"
    image: ImageSource
    more: tuple[ImageSource, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class RebuildGuest(Command):
    """The guest is to have new disks and to be as `spec` says, running or off; `keep_blanks`: all disks but the root stay.

    What was on the root disk is gone from the moment the host begins.
    """

    method = "rebuild_guest"
    spec: GuestSpec
    power: Power
    keep_blanks: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class RescueGuest(Command):
    """The guest is to run from the rescue disk that `spec` names, its own disks beside it."""

    method = "rescue_guest"
    spec: GuestSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnrescueGuest(Command):
    """The guest is to run from its own disks again, or to be off; one that is not rescued is left alone."""

    method = "unrescue_guest"
    power: Power


@dataclasses.dataclass(frozen=True, kw_only=True)
class RewireGuest(Command):
    """The guest's taps, addresses and metadata are to be on the host as they were ordered, whoever took them away."""

    method = "rewire_guest"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnsureInterfaces(Command):
    """The guest is to have these interfaces, in this order after its next start, and no others; it goes on meanwhile."""

    method = "ensure_interfaces"
    interfaces: tuple[GuestInterface, ...]


# -- moves -------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoveSource:
    """Where a host fetches a server's disks: another host's door, and the token made for this one move (a secret)."""

    host: HostName
    address: str
    port: int
    fingerprint: str
    token: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class HoldDisks(Command):
    """The guest is to be off, and all of it set aside: nothing starts it until it is restored.

    `token_sha256`: who shows the token may fetch its disks; None: nobody may.
    """

    method = "hold_disks"
    token_sha256: str | None = None
    graceful_s: float = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class BringDisks(Command):
    """The server's disks are to be here, and as large as `spec` says; `source` None: they are set aside on this host."""

    method = "bring_disks"
    spec: GuestSpec
    source: MoveSource | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinishMove(Command):
    """There is to be a guest over the disks that were brought, on or off."""

    method = "finish_move"
    spec: GuestSpec
    running: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class RestoreGuest(Command):
    """What was set aside is to be the guest again, in place of any other of the same server, on or off."""

    method = "restore_guest"
    running: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class DropHeld(Command):
    """Nothing of the server is to be set aside any more; its guest stays."""

    method = "drop_held"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareLive(Command):
    """All is to be ready for a running guest that another host hands over to who shows the token (a secret)."""

    method = "prepare_live"
    spec: GuestSpec
    token: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class MigrateLive(Command):
    """The running guest is to be at the target, reached through its door; a fault says that it is still here."""

    method = "migrate_live"
    target: MoveSource


@dataclasses.dataclass(frozen=True, kw_only=True)
class StayLive(Command):
    """The guest is to run on here, whatever was to hand it over; a fault with code `moved` says that it has gone."""

    method = "stay_live"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinishLive(Command):
    """The guest is to run here, now that it was handed over."""

    method = "finish_live"
