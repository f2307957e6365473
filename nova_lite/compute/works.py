"""What a host does for each command: one line an order. Taking commands, late and repeated ones too, is service.py's."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from nova_lite.compute.virt.driver import VirtDriver
from nova_lite.model.guest import PowerState
from nova_lite.rpc.commands import (
    BringDisks,
    Command,
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
    server_id = command.head.server_id
    if command.power is Power.ON:
        return driver.power_on(server_id)
    return driver.power_off(server_id, command.graceful_s, stop)


def _reboot_guest(driver: VirtDriver, command: RebootGuest, stop: threading.Event) -> PowerState:
    return driver.reboot(command.head.server_id, hard=command.hard, graceful_s=command.graceful_s, stop=stop)


def _take_snapshot(driver: VirtDriver, command: TakeSnapshot, stop: threading.Event) -> None:
    driver.snapshots.take(command.head.server_id, command.quiesce, stop)


def _upload_snapshot(driver: VirtDriver, command: UploadSnapshot, stop: threading.Event) -> None:
    driver.snapshots.upload(command.head.server_id, command.target, command.quiesce, stop)


def _release_snapshot(driver: VirtDriver, command: ReleaseSnapshot, _stop: threading.Event) -> None:
    driver.snapshots.release(command.head.server_id)


def _hold_guest(driver: VirtDriver, command: HoldGuest, _stop: threading.Event) -> PowerState:
    hold = driver.states.pause if command.hold is Hold.PAUSED else driver.states.suspend
    return hold(command.head.server_id)


def _fetch_image(driver: VirtDriver, command: FetchImage, stop: threading.Event) -> None:
    for image in (command.image, *command.more):
        driver.renewal.fetch(image, stop)


def _rebuild_guest(driver: VirtDriver, command: RebuildGuest, stop: threading.Event) -> PowerState:
    on = command.power is Power.ON
    return driver.renewal.rebuild(command.spec, stop, on=on, keep_blanks=command.keep_blanks)


def _rescue_guest(driver: VirtDriver, command: RescueGuest, stop: threading.Event) -> PowerState:
    return driver.renewal.rescue(command.spec, stop)


def _unrescue_guest(driver: VirtDriver, command: UnrescueGuest, stop: threading.Event) -> PowerState:
    return driver.renewal.unrescue(command.head.server_id, stop, on=command.power is Power.ON)


def _set_password(driver: VirtDriver, command: SetPassword, _stop: threading.Event) -> None:
    driver.states.set_password(command.head.server_id, command.user, command.password)


def _rewire_guest(driver: VirtDriver, command: RewireGuest, _stop: threading.Event) -> None:
    driver.states.rewire(command.head.server_id)


def _ensure_interfaces(driver: VirtDriver, command: EnsureInterfaces, stop: threading.Event) -> None:
    driver.interfaces.ensure(command.head.server_id, command.interfaces, stop)


def _crash_guest(driver: VirtDriver, command: CrashGuest, _stop: threading.Event) -> None:
    driver.states.interrupt(command.head.server_id)


def _hold_disks(driver: VirtDriver, command: HoldDisks, stop: threading.Event) -> None:
    driver.moves.hold(command.head.server_id, command.token_sha256, command.graceful_s, stop)


def _bring_disks(driver: VirtDriver, command: BringDisks, stop: threading.Event) -> None:
    driver.moves.bring(command.spec, command.source, stop)


def _finish_move(driver: VirtDriver, command: FinishMove, stop: threading.Event) -> PowerState:
    return driver.moves.finish(command.spec, running=command.running, stop=stop)


def _restore_guest(driver: VirtDriver, command: RestoreGuest, _stop: threading.Event) -> PowerState:
    return driver.moves.restore(command.head.server_id, running=command.running)


def _drop_held(driver: VirtDriver, command: DropHeld, _stop: threading.Event) -> None:
    driver.moves.drop(command.head.server_id)


def _prepare_live(driver: VirtDriver, command: PrepareLive, stop: threading.Event) -> None:
    driver.live.prepare(command.spec, command.token, stop)


def _migrate_live(driver: VirtDriver, command: MigrateLive, stop: threading.Event) -> None:
    driver.live.migrate(command.head.server_id, command.target, stop)


def _stay_live(driver: VirtDriver, command: StayLive, _stop: threading.Event) -> PowerState:
    return driver.live.stay(command.head.server_id)


def _finish_live(driver: VirtDriver, command: FinishLive, _stop: threading.Event) -> PowerState:
    return driver.live.finish(command.head.server_id)


WORKS = (
    CommandWork(command=EnsureGuest, act=_ensure_guest, makes_guests=True),
    CommandWork(command=RemoveGuest, act=_remove_guest),
    CommandWork(command=EnsurePower, act=_ensure_power),
    CommandWork(command=RebootGuest, act=_reboot_guest),
    CommandWork(command=TakeSnapshot, act=_take_snapshot),
    CommandWork(command=UploadSnapshot, act=_upload_snapshot, sends=True),
    CommandWork(command=ReleaseSnapshot, act=_release_snapshot),
    CommandWork(command=HoldGuest, act=_hold_guest),
    CommandWork(command=SetPassword, act=_set_password),
    CommandWork(command=CrashGuest, act=_crash_guest),
    CommandWork(command=RewireGuest, act=_rewire_guest),
    CommandWork(command=EnsureInterfaces, act=_ensure_interfaces),
    CommandWork(command=FetchImage, act=_fetch_image, makes_guests=True),
    CommandWork(command=RebuildGuest, act=_rebuild_guest, makes_guests=True),
    CommandWork(command=RescueGuest, act=_rescue_guest, makes_guests=True),
    CommandWork(command=UnrescueGuest, act=_unrescue_guest),
    CommandWork(command=HoldDisks, act=_hold_disks),
    CommandWork(command=BringDisks, act=_bring_disks, makes_guests=True),
    CommandWork(command=FinishMove, act=_finish_move, makes_guests=True),
    CommandWork(command=RestoreGuest, act=_restore_guest),
    CommandWork(command=DropHeld, act=_drop_held),
    CommandWork(command=PrepareLive, act=_prepare_live, makes_guests=True),
    CommandWork(command=MigrateLive, act=_migrate_live),
    CommandWork(command=StayLive, act=_stay_live),
    CommandWork(command=FinishLive, act=_finish_live),
)
