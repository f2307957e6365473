"""Running guests that are not there go from host to host as a small file, by the same doors as real ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

from nova_lite.compute.moving import tunnel
from nova_lite.compute.moving.door import LiveOffer
from nova_lite.compute.moving.fetch import FetchError
from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.fake.guests import Guests, size_of
from nova_lite.compute.virt.fake.mishaps import Mishaps
from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import ServerId
from nova_lite.rpc.commands import MoveSource

GUEST = "guest.json"
Give = Callable[[MoveSource, ServerId, str, bytes], None]
Changed = Callable[[ServerId, PowerState], PowerState]


class FakeLive:
    """Fulfils `LiveMoves` over the file of guests. `forced` makes a slow migration end."""

    def __init__(self, folder: Path, guests: Guests, mishaps: Mishaps, changed: Changed, give: Give = tunnel.give) -> None:
        """`give` hands a file to another host."""
        self._folder = folder / "live"
        self._guests = guests
        self._mishaps = mishaps
        self._changed = changed
        self._give = give

    def prepare(self, spec: GuestSpec, token: str, stop: threading.Event) -> None:
        """Wait for a guest."""
        self._mishaps.befall("prepare_live", stop)
        folder = self._folder / spec.server_id
        folder.mkdir(parents=True, exist_ok=True)
        with self._guests.lock:
            self._guests.brought[spec.server_id] = {"size": size_of(spec), "token_sha256": tunnel.digest_of(token)}
            self._guests.save()

    def live_of(self, server_id: ServerId) -> LiveOffer | None:
        """Give what may be done to hand a guest over."""
        with self._guests.lock:
            waited = self._guests.brought.get(server_id, {})
        if "token_sha256" not in waited:
            return None
        files = {GUEST: self._folder / server_id / GUEST}
        return LiveOffer(token_sha256=waited["token_sha256"], facts={}, files=files, places={})

    def migrate(self, server_id: ServerId, target: MoveSource, stop: threading.Event) -> None:
        """Hand the guest over: from now on it is set aside here."""
        self._mishaps.befall("migrate_live", stop)
        with self._guests.lock:
            guest = self._guests.held.get(server_id) or self._guests.get(server_id)
        try:
            self._give(target, server_id, GUEST, json.dumps(guest).encode())
        except (FetchError, OSError) as error:
            raise VirtError("The target host did not take the guest over.", code="no_target") from error
        with self._guests.lock:
            if server_id in self._guests.by_id:
                self._guests.held[server_id] = self._guests.by_id.pop(server_id)
                self._guests.save()

    def stay(self, server_id: ServerId) -> PowerState:
        """Take the guest back: nobody has it running before `finish`."""
        self._mishaps.befall("stay_live")
        with self._guests.lock:
            if server_id in self._guests.held:
                self._guests.by_id[server_id] = self._guests.held.pop(server_id)
                self._guests.save()
            return PowerState(self._guests.get(server_id)["power_state"])

    def finish(self, server_id: ServerId) -> PowerState:
        """Have the guest that came run."""
        self._mishaps.befall("finish_live")
        path = self._folder / server_id / GUEST
        with self._guests.lock:
            waited = self._guests.brought.pop(server_id, None)
            if waited is not None:
                guest = json.loads(path.read_text(encoding="utf-8"))
                self._guests.by_id[server_id] = {**guest, "size": waited["size"]}
                self._guests.save()
            power = PowerState(self._guests.get(server_id)["power_state"])
        return self._changed(server_id, power)

    def force(self, server_id: ServerId) -> None:
        """Do nothing: it never lasts but by a mishap."""
