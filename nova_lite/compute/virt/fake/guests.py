"""The guests of the fake driver: a file, so that they survive kill -9 of the daemon."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from nova_lite.compute.virt.driver import VirtError
from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import ServerId

STATE = "hypervisor.json"
CONSOLE_BYTES = 64 * 1024


class Guests:
    """Guests by server. Hold `lock` from a first look to the `save` after a change."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds the file; what an earlier process left there is found again."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / STATE
        self.lock = threading.Lock()
        loaded = _load(self._path)
        self.by_id: dict[str, dict[str, Any]] = loaded.get("guests", {})
        self.held: dict[str, dict[str, Any]] = loaded.get("held", {})  # set aside by a move
        self.brought: dict[str, dict[str, Any]] = loaded.get("brought", {})  # disks that no guest has yet
        with self.lock:
            self.save()

    def get(self, server_id: ServerId) -> dict[str, Any]:
        """Give a guest, to be changed in place. Raises: VirtError with code `no_guest`."""
        guest = self.by_id.get(server_id)
        if guest is None:
            raise VirtError("The host has no such guest.", code="no_guest", host_at_fault=False)
        return guest

    def save(self) -> None:
        """Replace the file. It is not forced to the disk: it has to outlive the process, not the machine."""
        text = json.dumps({"guests": self.by_id, "held": self.held, "brought": self.brought}, separators=(",", ":"))
        fresh = self._path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, self._path)


def boot(guest: dict[str, Any]) -> None:
    """Run a guest from its beginning, which its console shows."""
    guest["boots"] += 1
    guest["power_state"] = PowerState.RUNNING.value
    text = f"[    0.000000] Linux version 0.0 (simulated), boot {guest['boots']}\n[    0.000001] Run /init\n"
    text += f"\n{guest['name']} login: \n"
    guest["console"] = (guest["console"] + text)[-CONSOLE_BYTES:]


def size_of(spec: GuestSpec) -> dict[str, Any]:
    """Give what a guest's diagnostics show of its size."""
    macs = [one.mac_address for one in spec.interfaces]
    return {"vcpus": spec.vcpus, "ram_mib": spec.ram_mib, "macs": macs}


def _load(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
