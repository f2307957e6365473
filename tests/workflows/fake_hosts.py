"""Hosts as the workflows see them: commands are kept until the test delivers them, in any order and as often as it likes.

A host keeps the rule of the ledger: the greatest pair (fence, turn) per server, written down before it acts; a lower one
is refused. What it has done it reports; a command that comes again joins what is done and is reported again.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from nova_lite.model.guest import PowerState
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.image import ImageTarget
from nova_lite.rpc.commands import (
    BringDisks,
    CrashGuest,
    DropHeld,
    EnsureGuest,
    EnsureInterfaces,
    EnsurePower,
    FetchImage,
    FinishLive,
    FinishMove,
    Hold,
    HoldDisks,
    HoldGuest,
    MigrateLive,
    Power,
    PrepareLive,
    RebootGuest,
    RebuildGuest,
    ReleaseSnapshot,
    RemoveGuest,
    RescueGuest,
    RestoreGuest,
    RewireGuest,
    SetPassword,
    StayLive,
    TakeSnapshot,
    UnrescueGuest,
    UploadSnapshot,
)
from nova_lite.rpc.commands import Command as Order
from nova_lite.rpc.conductor import Fault, Report

POWERS = {
    Power.ON: PowerState.RUNNING,
    Power.OFF: PowerState.SHUTDOWN,
    Hold.PAUSED: PowerState.PAUSED,
    Hold.SUSPENDED: PowerState.SUSPENDED,
}


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that was sent to a host."""

    number: int
    host: HostName
    verb: str
    message: Any


class FakeHost:
    """One host: its guests by server, and its ledger."""

    def __init__(self, name: HostName) -> None:
        self.name = name
        self.incarnation = 1
        self.guests: dict[ServerId, PowerState] = {}
        self.held: set[ServerId] = set()
        self.brought: set[ServerId] = set()
        self.others: dict[HostName, FakeHost] = {}
        self.sizes: dict[ServerId, int] = {}  # vCPUs, of guests that moved
        self.ledger: dict[ServerId, tuple[int, int]] = {}
        self.faults: dict[str, list[Fault]] = defaultdict(list)  # by verb: what the next ones end with
        self.reboots: set[tuple[str, str]] = set()
        self.exported: set[ServerId] = set()  # whose disks are held for a snapshot
        self.fill: Callable[[ImageTarget], Fault | None] = lambda target: None  # puts an image's data in
        self.images: set[str] = set()
        self.rewired: set[ServerId] = set()
        self.ports_of: dict[ServerId, tuple[str, ...]] = {}  # as they were ordered
        self.addresses_of: dict[ServerId, set[str]] = {}
        self.images_of: dict[ServerId, str] = {}
        self.rescued: set[ServerId] = set()
        self.passwords: dict[ServerId, str] = {}
        self.crashes: set[tuple[str, str]] = set()
        self.refused = 0

    def obey(self, command: Command) -> Report | None:
        """Take one delivery of a command; give the report, or None when it is refused."""
        head = command.message.head
        pair = (head.fence, head.turn)
        if head.incarnation != self.incarnation or pair < self.ledger.get(head.server_id, (0, 0)):
            self.refused += 1
            return None
        self.ledger[head.server_id] = pair
        faults = self.faults[command.verb]
        fault = faults.pop(0) if faults else getattr(self, f"_{command.verb}")(command.message)
        return Report(
            id=str(uuid.uuid4()),
            host=self.name,
            incarnation=self.incarnation,
            server_id=head.server_id,
            operation_id=head.operation_id,
            step=head.step,
            unwinding=head.unwinding,
            attempt=head.attempt,
            fence=head.fence,
            turn=head.turn,
            fault=fault,
            power_state=self.guests.get(head.server_id),
        )

    def _ensure_guest(self, message: EnsureGuest) -> None:
        self.guests[message.head.server_id] = PowerState.RUNNING

    def _remove_guest(self, message: RemoveGuest) -> None:
        self.guests.pop(message.head.server_id, None)
        self.held.discard(message.head.server_id)
        self.exported.discard(message.head.server_id)
        self.brought.discard(message.head.server_id)

    def _ensure_power(self, message: EnsurePower) -> Fault | None:
        if message.head.server_id not in self.guests:
            return Fault(code="no_guest", message="There is no such guest.")
        self.guests[message.head.server_id] = POWERS[message.power]
        return None

    def _hold_guest(self, message: HoldGuest) -> Fault | None:
        if message.head.server_id not in self.guests:
            return Fault(code="no_guest", message="There is no such guest.")
        self.guests[message.head.server_id] = POWERS[message.hold]
        return None

    def _fetch_image(self, message: FetchImage) -> None:
        self.images.add(message.image.image_id)

    def _rebuild_guest(self, message: RebuildGuest) -> None:
        self.rescued.discard(message.head.server_id)
        self.images_of[message.head.server_id] = message.spec.image.image_id
        self.guests[message.head.server_id] = POWERS[message.power]

    def _rescue_guest(self, message: RescueGuest) -> None:
        self.rescued.add(message.head.server_id)
        self.guests[message.head.server_id] = PowerState.RUNNING

    def _unrescue_guest(self, message: UnrescueGuest) -> Fault | None:
        if message.head.server_id not in self.guests:
            return Fault(code="no_guest", message="There is no such guest.")
        if message.head.server_id in self.rescued:
            self.rescued.discard(message.head.server_id)
            self.guests[message.head.server_id] = POWERS[message.power]
        return None

    def _set_password(self, message: SetPassword) -> None:
        self.passwords[message.head.server_id] = message.password

    def _rewire_guest(self, message: RewireGuest) -> None:
        self.rewired.add(message.head.server_id)

    def _ensure_interfaces(self, message: EnsureInterfaces) -> Fault | None:
        if message.head.server_id not in self.guests:
            return Fault(code="no_guest", message="There is no such guest.")
        self.ports_of[message.head.server_id] = tuple(one.port_id for one in message.interfaces)
        self.addresses_of[message.head.server_id] = {address for one in message.interfaces for address in one.addresses}
        return None

    def _crash_guest(self, message: CrashGuest) -> None:
        self.crashes.add((message.head.server_id, message.head.operation_id))

    def _reboot_guest(self, message: RebootGuest) -> Fault | None:
        if message.head.server_id not in self.guests:
            return Fault(code="no_guest", message="There is no such guest.")
        self.reboots.add((message.head.server_id, message.head.operation_id))
        self.guests[message.head.server_id] = PowerState.RUNNING
        return None

    def _take_snapshot(self, message: TakeSnapshot) -> Fault | None:
        if message.head.server_id not in self.guests:
            return Fault(code="no_guest", message="There is no such guest.")
        self.exported.add(message.head.server_id)
        return None

    def _upload_snapshot(self, message: UploadSnapshot) -> Fault | None:
        self.exported.discard(message.head.server_id)
        if message.head.server_id not in self.guests:
            return Fault(code="no_guest", message="There is no such guest.")
        return self.fill(message.target)

    def _release_snapshot(self, message: ReleaseSnapshot) -> None:
        self.exported.discard(message.head.server_id)

    def _hold_disks(self, message: HoldDisks) -> Fault | None:
        server_id = message.head.server_id
        if server_id in self.held:
            return None
        if self.guests.pop(server_id, None) is None:
            return Fault(code="no_guest", message="There is no such guest.")
        self.held.add(server_id)
        return None

    def _bring_disks(self, message: BringDisks) -> Fault | None:
        if message.source is None and message.head.server_id not in self.held:
            return Fault(code="no_guest", message="Nothing is set aside.")
        self.brought.add(message.head.server_id)
        return None

    def _finish_move(self, message: FinishMove) -> Fault | None:
        if message.head.server_id not in self.brought:
            return Fault(code="no_guest", message="There are no disks.")
        self.guests[message.head.server_id] = PowerState.RUNNING if message.running else PowerState.SHUTDOWN
        self.sizes[message.head.server_id] = message.spec.vcpus
        return None

    def _restore_guest(self, message: RestoreGuest) -> Fault | None:
        server_id = message.head.server_id
        if server_id in self.held:
            self.guests.pop(server_id, None)
            self.brought.discard(server_id)
            self.held.discard(server_id)
            self.guests[server_id] = PowerState.SHUTDOWN
        if server_id not in self.guests:
            return Fault(code="no_guest", message="There is no such guest.")
        self.guests[server_id] = PowerState.RUNNING if message.running else PowerState.SHUTDOWN
        return None

    def _prepare_live(self, message: PrepareLive) -> None:
        self.brought.add(message.head.server_id)

    def _migrate_live(self, message: MigrateLive) -> None:
        server_id = message.head.server_id
        if server_id in self.guests and message.target.host in self.others:
            target = self.others[message.target.host]
            assert server_id in target.brought, "the target was not made ready"
            target.guests[server_id] = self.guests.pop(server_id)

    def _stay_live(self, message: StayLive) -> Fault | None:
        gone = message.head.server_id not in self.guests
        return Fault(code="moved", message="It has gone.") if gone else None

    def _finish_live(self, message: FinishLive) -> Fault | None:
        here = message.head.server_id in self.guests
        return None if here else Fault(code="no_guest", message="There is no such guest.")

    def _drop_held(self, message: DropHeld) -> None:
        self.held.discard(message.head.server_id)


class FakeHosts:
    """The hosts and the wire to them; a `ComputePort`."""

    def __init__(self, *names: str) -> None:
        self.hosts = {HostName(name): FakeHost(HostName(name)) for name in names}
        for host in self.hosts.values():
            host.others = self.hosts
        self.sent: list[Command] = []

    def __getitem__(self, name: str) -> FakeHost:
        return self.hosts[HostName(name)]

    def order(self, host: HostName, command: Order) -> None:
        self.sent.append(Command(len(self.sent), host, command.method, command))

    def deliver(self, command: Command) -> Report | None:
        """Let a command arrive (once more)."""
        return self.hosts[command.host].obey(command)

    def with_held(self, server_id: str) -> list[str]:
        """List the hosts where something of a server is set aside."""
        return [name for name, host in self.hosts.items() if server_id in host.held]

    def with_guest(self, server_id: str) -> list[str]:
        """List the hosts that have a guest of a server."""
        return [name for name, host in self.hosts.items() if server_id in host.guests]
