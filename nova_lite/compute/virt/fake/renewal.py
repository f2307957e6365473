"""Guests of the fake driver, rebuilt and rescued. What they boot from is written down with them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from nova_lite.compute.virt.fake.guests import Guests, boot
from nova_lite.compute.virt.fake.mishaps import Mishaps
from nova_lite.compute.virt.fake.states import Changed
from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import ServerId
from nova_lite.model.image import ImageSource


class FakeRenewal:
    """Fulfils GuestRenewal in the file of guests."""

    def __init__(self, guests: Guests, mishaps: Mishaps, changed: Changed, need: Callable[[ImageSource | None], None]) -> None:
        """`changed` tells who listens; `need` counts an image as fetched."""
        self._guests = guests
        self._mishaps = mishaps
        self._changed = changed
        self._need = need

    def fetch(self, image: ImageSource, stop: threading.Event) -> None:
        """Count it."""
        self._mishaps.befall("fetch", stop)
        self._need(image)

    def rebuild(self, spec: GuestSpec, stop: threading.Event, *, on: bool, keep_blanks: bool) -> PowerState:
        """Write the guest down anew."""
        self._mishaps.befall("rebuild", stop)
        need_all(spec, self._need)
        with self._guests.lock:
            before = self._guests.by_id.get(spec.server_id, {})
            guest = new_guest(spec)
            guest["boots"] = before.get("boots", 0)
            guest["rebuilds"] = before.get("rebuilds", 0) + 1
            guest["blanks_kept"] = keep_blanks
            guest["power_state"] = PowerState.SHUTDOWN.value
            self._guests.by_id[spec.server_id] = guest
        return self._begin(spec.server_id, on=on)

    def rescue(self, spec: GuestSpec, stop: threading.Event) -> PowerState:
        """Write down what the guest is rescued from."""
        self._mishaps.befall("rescue", stop)
        if spec.rescue is not None:
            need_all(spec, self._need)
        with self._guests.lock:
            guest = self._guests.by_id.setdefault(spec.server_id, new_guest(spec))
            guest["rescue"] = spec.rescue.image.image_id if spec.rescue is not None else None
            guest["rescue_direct"] = _direct(spec)
        return self._begin(spec.server_id, on=True)

    def unrescue(self, server_id: ServerId, stop: threading.Event, *, on: bool) -> PowerState:
        """Forget what it was rescued from."""
        self._mishaps.befall("unrescue", stop)
        with self._guests.lock:
            guest = self._guests.get(server_id)
            guest.pop("rescue_direct", None)
            if guest.pop("rescue", None) is None:
                return PowerState(guest["power_state"])
        return self._begin(server_id, on=on)

    def _begin(self, server_id: ServerId, *, on: bool) -> PowerState:
        power = PowerState.RUNNING if on else PowerState.SHUTDOWN
        with self._guests.lock:
            guest = self._guests.get(server_id)
            if on:
                boot(guest)
            guest["power_state"] = power.value
            self._guests.save()
        return self._changed(server_id, power)


def new_guest(spec: GuestSpec) -> dict[str, Any]:
    """Give a guest as the file has it, before its first boot."""
    size = {"vcpus": spec.vcpus, "ram_mib": spec.ram_mib, "macs": [one.mac_address for one in spec.interfaces]}
    direct = {"direct": _direct(spec)} if spec.booted is not None else {}
    return {"name": spec.name, "power_state": PowerState.NOSTATE.value, "boots": 0, "console": "", "size": size, **direct}


def need_all(spec: GuestSpec, need: Callable[[ImageSource | None], None]) -> None:
    """Count all images as fetched that a guest is made of and boots with."""
    need(spec.image if spec.rescue is None else spec.rescue.image)
    for image in spec.booted.images if spec.booted is not None else ():
        need(image)


def _direct(spec: GuestSpec) -> dict[str, str | None] | None:
    """Give what a guest boots with, by the ids of the images."""
    if spec.booted is None:
        return None
    ids: list[str | None] = [image.image_id for image in spec.booted.images]
    kernel, ramdisk = [*ids, None][:2]
    return {"kernel": kernel, "ramdisk": ramdisk, "command_line": spec.booted.command_line}
