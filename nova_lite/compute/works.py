"""What a host does for each command: one line an order. Taking commands, late and repeated ones too, is service.py's."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from nova_lite.compute.virt.driver import VirtDriver
from nova_lite.model.guest import PowerState
from nova_lite.rpc.commands import (
    Command,
    EnsureGuest,
    EnsurePower,
    Power,
    RebootGuest,
    ReleaseSnapshot,
    RemoveGuest,
    TakeSnapshot,
    UploadSnapshot,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommandWork:
    """How a command is obeyed. `act` gives the guest's power afterwards, if it knows; it may run twice.

    `makes_guests`: it costs disk and CPU, so few are done at once, and only after the removals that the host owes.
    `sends`: it sends a disk off, which may take hours; few are done at once, beside all others.
    """

    command: type[Command]
    act: Callable[[VirtDriver, Any, threading.Event], PowerState | None]
    makes_guests: bool = False
    sends: bool = False


def _ensure_guest(driver: VirtDriver, command: EnsureGuest, stop: threading.Event) -> PowerState:
    return driver.ensure_guest(command.spec, stop)


def _remove_guest(driver: VirtDriver, command: RemoveGuest, _stop: threading.Event) -> None:
    driver.remove_guest(command.head.server_id)


def _ensure_power(driver: VirtDriver, command: EnsurePower, stop: threading.Event) -> PowerState:
    if command.power is Power.ON:
        return driver.power_on(command.head.server_id)
    return driver.power_off(command.head.server_id, command.graceful_s, stop)


def _reboot_guest(driver: VirtDriver, command: RebootGuest, stop: threading.Event) -> PowerState:
    return driver.reboot(command.head.server_id, hard=command.hard, graceful_s=command.graceful_s, stop=stop)


def _take_snapshot(driver: VirtDriver, command: TakeSnapshot, stop: threading.Event) -> None:
    driver.snapshots.take(command.head.server_id, command.quiesce, stop)


def _upload_snapshot(driver: VirtDriver, command: UploadSnapshot, stop: threading.Event) -> None:
    driver.snapshots.upload(command.head.server_id, command.target, command.quiesce, stop)


def _release_snapshot(driver: VirtDriver, command: ReleaseSnapshot, _stop: threading.Event) -> None:
    driver.snapshots.release(command.head.server_id)


WORKS = (
    CommandWork(command=EnsureGuest, act=_ensure_guest, makes_guests=True),
    CommandWork(command=RemoveGuest, act=_remove_guest),
    CommandWork(command=EnsurePower, act=_ensure_power),
    CommandWork(command=RebootGuest, act=_reboot_guest),
    CommandWork(command=TakeSnapshot, act=_take_snapshot),
    CommandWork(command=UploadSnapshot, act=_upload_snapshot, sends=True),
    CommandWork(command=ReleaseSnapshot, act=_release_snapshot),
)
