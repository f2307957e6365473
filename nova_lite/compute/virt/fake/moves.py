"""Moves of guests that are not there: their disk is a small file, which goes from host to host as real ones do."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova_lite.compute.moving.door import Offer
from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.fake.guests import Guests, boot, size_of
from nova_lite.compute.virt.fake.mishaps import Mishaps
from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import ServerId
from nova_lite.rpc.commands import MoveSource

DISK = "disk.json"
Fetch = Callable[[MoveSource, ServerId, Path, threading.Event], None]
Changed = Callable[[ServerId, PowerState], PowerState]


class FakeMoves:
    """Fulfils `Moves` over the file of guests."""

    def __init__(self, folder: Path, guests: Guests, mishaps: Mishaps, changed: Changed, fetching: Fetch) -> None:
        """`changed` is told of each change of power; `fetching` brings files of another host."""
        self._folder = folder / "moves"
        self._guests = guests
        self._mishaps = mishaps
        self._changed = changed
        self._fetch = fetching

    def hold(self, server_id: ServerId, token_sha256: str | None, graceful_s: float, stop: threading.Event) -> None:
        """Set a guest aside."""
        self._mishaps.befall("hold", stop)
        with self._guests.lock:
            if server_id not in self._guests.held:
                guest = self._guests.get(server_id)
                guest["power_state"] = PowerState.SHUTDOWN.value
                self._guests.held[server_id] = self._guests.by_id.pop(server_id)
            held = self._guests.held[server_id]
            held["offer"] = token_sha256
            if token_sha256 is not None:
                self._write_disk(server_id, held)
            self._guests.save()

    def offer_of(self, server_id: ServerId) -> Offer | None:
        """Give the disk of a guest that is set aside for another host."""
        with self._guests.lock:
            token_sha256 = self._guests.held.get(server_id, {}).get("offer")
        disk = self._folder / server_id / DISK
        return None if token_sha256 is None else Offer(token_sha256=token_sha256, files={DISK: disk})

    def bring(self, spec: GuestSpec, source: MoveSource | None, stop: threading.Event) -> None:
        """Have the disk."""
        self._mishaps.befall("bring", stop)
        brought = self._held(spec.server_id) if source is None else self._fetched(spec.server_id, source, stop)
        with self._guests.lock:
            self._guests.brought[spec.server_id] = {**brought, "size": size_of(spec), "offer": None}
            self._guests.save()

    def finish(self, spec: GuestSpec, *, running: bool, stop: threading.Event) -> PowerState:
        """Make a guest of what was brought."""
        self._mishaps.befall("finish", stop)
        with self._guests.lock:
            brought = self._guests.brought.pop(spec.server_id, None)
            if brought is not None:
                self._guests.by_id[spec.server_id] = brought
            power = self._turn(spec.server_id, running=running)
        return self._changed(spec.server_id, power)

    def restore(self, server_id: ServerId, *, running: bool) -> PowerState:
        """Make a guest again of what was set aside."""
        self._mishaps.befall("restore")
        with self._guests.lock:
            held = self._guests.held.pop(server_id, None)
            if held is not None:
                self._guests.brought.pop(server_id, None)
                self._guests.by_id[server_id] = held
            power = self._turn(server_id, running=running)
        self.forget(server_id)
        return self._changed(server_id, power)

    def drop(self, server_id: ServerId) -> None:
        """Forget what was set aside."""
        self._mishaps.befall("drop")
        with self._guests.lock:
            if self._guests.held.pop(server_id, None) is not None:
                self._guests.save()
        self.forget(server_id)

    def held(self) -> tuple[str, ...]:
        """List the servers that are set aside. For tests."""
        with self._guests.lock:
            return tuple(self._guests.held)

    def forget(self, server_id: ServerId) -> None:
        """Remove the files of moves of a server. May be repeated."""
        if (self._folder / server_id).exists():
            shutil.rmtree(self._folder / server_id, ignore_errors=True)

    def _write_disk(self, server_id: ServerId, guest: dict[str, Any]) -> None:
        folder = self._folder / server_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DISK).write_text(json.dumps(guest), encoding="utf-8")

    def _held(self, server_id: ServerId) -> dict[str, Any]:
        with self._guests.lock:
            held = self._guests.held.get(server_id)
        if held is None:
            raise VirtError("The host has nothing set aside of the server.", code="no_guest", host_at_fault=False)
        return held

    def _fetched(self, server_id: ServerId, source: MoveSource, stop: threading.Event) -> dict[str, Any]:
        folder = self._folder / f"{server_id}.in"
        try:
            self._fetch(source, server_id, folder, stop)
            return dict(json.loads((folder / DISK).read_text(encoding="utf-8")))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _turn(self, server_id: ServerId, *, running: bool) -> PowerState:
        """Have the guest on or off; called with the lock held."""
        guest = self._guests.get(server_id)
        power = PowerState.RUNNING if running else PowerState.SHUTDOWN
        if running and guest["power_state"] != power:
            boot(guest)
        guest["power_state"] = power.value
        self._guests.save()
        return power
