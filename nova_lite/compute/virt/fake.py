"""A hypervisor that is a file: guests survive kill -9 of the daemon, and mishaps come on demand. For simulation and tests.

`hypervisor.json` holds the guests. `behaviour.json` beside it, read anew whenever it changes, sets mishaps by method:

    {"ensure_guest": {"delay_s": 2.5, "fail": {"message": "no luck", "host_at_fault": false, "times": 3}},
     "facts": {"vcpus": 4, "ram_mib": 4096, "disk_gib": 100, "traits": ["CUSTOM_GPU"]}}

Without `times` it fails always; a method may have either or both. A `delay_s` ends early when the work is stopped.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nova_lite.compute.effort import count_image
from nova_lite.compute.virt.driver import PasswordListener, PowerListener, Stopped, VirtError
from nova_lite.model.diagnostics import CpuUse, Diagnostics, DiskUse, Flow, NicUse
from nova_lite.model.guest import GuestSpec, GuestState, PowerState
from nova_lite.model.host import HostFacts
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.image import ImageSource
from nova_lite.model.resources import Resources

STATE = "hypervisor.json"
BEHAVIOUR = "behaviour.json"
TRAITS = ("COMPUTE_NODE", "HW_ARCH_X86_64")
TOTAL = Resources(vcpus=64, ram_mib=256 * 1024, disk_gib=2048)
CONSOLE_BYTES = 64 * 1024
NEVER = threading.Event()


class FakeDriver:
    """Fulfils VirtDriver without any guest. One object a file."""

    def __init__(self, folder: Path, host: HostName, *, zone: str = "nova") -> None:
        """`folder` holds the two files; what an earlier process left there is found again."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / STATE
        self._host = host
        self._zone = zone
        self._mishaps = _Mishaps(folder / BEHAVIOUR)
        self._lock = threading.Lock()
        self._guests: dict[str, dict[str, Any]] = _load(self._path)
        self._images: set[str] = set()  # as of this process: simulated hosts keep no images
        self._listener: PowerListener | None = None
        self._passwords: PasswordListener | None = None
        with self._lock:
            self._save()

    def facts(self) -> HostFacts:
        """Give what `behaviour.json` says, else a large host."""
        self._mishaps.befall("facts")
        given = self._mishaps.facts()
        return HostFacts(
            hypervisor_type="fake",
            hypervisor_version=1000000,
            hypervisor_hostname=self._host,
            architectures=("x86_64",),
            cpu_info=json.dumps({"arch": "x86_64", "model": "fake", "vendor": "nova-lite"}),
            total=Resources(
                vcpus=int(given.get("vcpus", TOTAL.vcpus)),
                ram_mib=int(given.get("ram_mib", TOTAL.ram_mib)),
                disk_gib=int(given.get("disk_gib", TOTAL.disk_gib)),
            ),
            zone=self._zone,
            traits=tuple(given.get("traits", TRAITS)),
        )

    def adopt(self) -> None:
        """Do nothing: there is no wiring."""

    def list_guests(self) -> tuple[GuestState, ...]:
        """List the guests in the file."""
        self._mishaps.befall("list_guests")
        with self._lock:
            return tuple(
                GuestState(server_id=ServerId(server_id), power_state=PowerState(guest["power_state"]))
                for server_id, guest in sorted(self._guests.items())
            )

    def ensure_guest(self, spec: GuestSpec, stop: threading.Event) -> PowerState:
        """Write the guest down, or find it; one that is off is turned on."""
        self._mishaps.befall("ensure_guest", stop)
        with self._lock:
            self._need_image(spec)
            guest = self._guests.get(spec.server_id)
            if guest is None:
                guest = {"name": spec.name, "power_state": PowerState.NOSTATE.value, "boots": 0, "console": ""}
                guest["size"] = {
                    "vcpus": spec.vcpus,
                    "ram_mib": spec.ram_mib,
                    "macs": [one.mac_address for one in spec.interfaces],
                }
                self._guests[spec.server_id] = guest
            if guest["power_state"] == PowerState.RUNNING:
                return PowerState.RUNNING
            _boot(guest)
            self._save()
        return self._changed(spec.server_id, PowerState.RUNNING)

    def cache_image(self, source: ImageSource, stop: threading.Event) -> None:
        """Count the image as fetched."""
        self._mishaps.befall("cache_image", stop)
        with self._lock:
            self._images.add(source.sha512)

    def has_image(self, sha512: str) -> bool:
        """Whether an image was fetched in this process. For tests."""
        with self._lock:
            return sha512 in self._images

    def remove_guest(self, server_id: ServerId) -> None:
        """Strike the guest out."""
        self._mishaps.befall("remove_guest")
        with self._lock:
            if self._guests.pop(server_id, None) is None:
                return
            self._save()
        self._changed(server_id, PowerState.NOSTATE)

    def power_on(self, server_id: ServerId) -> PowerState:
        """Turn it on."""
        self._mishaps.befall("power_on")
        return self._set(server_id, PowerState.RUNNING)

    def power_off(self, server_id: ServerId, graceful_s: float, stop: threading.Event) -> PowerState:
        """Turn it off; this guest always does as it is told."""
        self._mishaps.befall("power_off", stop)
        return self._set(server_id, PowerState.SHUTDOWN)

    def reboot(self, server_id: ServerId, *, hard: bool, graceful_s: float, stop: threading.Event) -> PowerState:
        """Boot it once more."""
        self._mishaps.befall("reboot", stop)
        with self._lock:
            _boot(self._get(server_id))
            self._save()
        return self._changed(server_id, PowerState.RUNNING)

    def console_output(self, server_id: ServerId, lines: int | None) -> bytes:
        """Give what its boots wrote."""
        self._mishaps.befall("console_output")
        with self._lock:
            kept = self._get(server_id)["console"].splitlines(keepends=True)
        if lines is not None:
            kept = kept[-lines:] if lines else []
        return "".join(kept).encode("utf-8")

    def diagnostics(self, server_id: ServerId) -> Diagnostics | None:
        """Give a guest of the size it was asked in that has done nothing yet."""
        self._mishaps.befall("diagnostics")
        with self._lock:
            guest = self._get(server_id)
        if guest["power_state"] != PowerState.RUNNING:
            return None
        size = guest.get("size", {})
        return Diagnostics(
            driver="libvirt",  # the API knows no word for a simulated one
            hypervisor="fake",
            hypervisor_os="linux",
            uptime_s=0,
            memory_mib=size.get("ram_mib", 0),
            cpus=tuple(CpuUse(id=number, time_ns=0) for number in range(size.get("vcpus", 0))),
            disks=(DiskUse(device="vda"),),
            nics=tuple(
                NicUse(device=f"tap{number}", mac_address=mac, received=Flow(), sent=Flow())
                for number, mac in enumerate(size.get("macs", ()))
            ),
        )

    def listen(self, listener: PowerListener) -> None:
        """Tell `listener` of changes."""
        self._listener = listener

    def listen_to_passwords(self, listener: PasswordListener) -> None:
        """Tell `listener` of what tests have guests write."""
        self._passwords = listener

    def write_password(self, server_id: ServerId, password: str) -> None:
        """Have a guest write its password. For tests."""
        if self._passwords is not None:
            self._passwords(server_id, password)

    def close(self) -> None:
        """Do nothing."""

    def crash(self, server_id: ServerId, power_state: PowerState = PowerState.CRASHED) -> None:
        """Change a guest's power as nobody asked for. For tests."""
        with self._lock:
            self._get(server_id)["power_state"] = power_state.value
            self._save()
        self._changed(server_id, power_state)

    def boots(self, server_id: ServerId) -> int:
        """Give how often a guest was booted. For tests."""
        with self._lock:
            return int(self._get(server_id)["boots"])

    def _need_image(self, spec: GuestSpec) -> None:
        """Count the image as fetched the first time, as a host with a cache does."""
        if spec.image is not None:
            count_image(0 if spec.image.sha512 in self._images else spec.image.size_bytes)
            self._images.add(spec.image.sha512)

    def _set(self, server_id: ServerId, power_state: PowerState) -> PowerState:
        with self._lock:
            guest = self._get(server_id)
            if guest["power_state"] == power_state:
                return power_state
            if power_state is PowerState.RUNNING:
                _boot(guest)
            guest["power_state"] = power_state.value
            self._save()
        return self._changed(server_id, power_state)

    def _get(self, server_id: ServerId) -> dict[str, Any]:
        guest = self._guests.get(server_id)
        if guest is None:
            raise VirtError("The host has no such guest.", code="no_guest", host_at_fault=False)
        return guest

    def _save(self) -> None:
        """Replace the file. It is not forced to the disk: it has to outlive the process, not the machine."""
        text = json.dumps({"guests": self._guests}, separators=(",", ":"))
        fresh = self._path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, self._path)

    def _changed(self, server_id: ServerId, power_state: PowerState) -> PowerState:
        if self._listener is not None and power_state is not PowerState.NOSTATE:
            self._listener(server_id, power_state)
        return power_state


def _load(path: Path) -> dict[str, dict[str, Any]]:
    try:
        guests = json.loads(path.read_text(encoding="utf-8"))["guests"]
    except FileNotFoundError:
        return {}
    return dict(guests)


def _boot(guest: dict[str, Any]) -> None:
    guest["boots"] += 1
    guest["power_state"] = PowerState.RUNNING.value
    text = f"[    0.000000] Linux version 0.0 (simulated), boot {guest['boots']}\n{guest['name']} login: \n"
    guest["console"] = (guest["console"] + text)[-CONSOLE_BYTES:]


class _Mishaps:
    """What `behaviour.json` wants to happen."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._wanted: Mapping[str, Any] = {}
        self._failed: dict[str, int] = {}

    def facts(self) -> Mapping[str, Any]:
        """Give the sizes that are wanted."""
        with self._lock:
            found = self._read().get("facts", {})
        return dict(found)

    def befall(self, method: str, stop: threading.Event = NEVER) -> None:
        """Wait and fail as wanted. Raises: VirtError, Stopped."""
        with self._lock:
            wanted = self._read().get(method, {})
        if stop.wait(float(wanted.get("delay_s", 0.0))) or stop.is_set():
            raise Stopped
        fail = wanted.get("fail")
        if fail is not None and self._is_due(method, fail):
            raise VirtError(
                str(fail.get("message", "The simulated host failed.")),
                code=str(fail.get("code", "virt")),
                host_at_fault=bool(fail.get("host_at_fault", True)),
            )

    def _is_due(self, method: str, fail: Mapping[str, Any]) -> bool:
        with self._lock:
            self._failed[method] = self._failed.get(method, 0) + 1
            return self._failed[method] <= float(fail.get("times", "inf"))

    def _read(self) -> Mapping[str, Any]:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                self._wanted = json.loads(self._path.read_text(encoding="utf-8"))
                self._stamp, self._failed = stamp, {}
        except FileNotFoundError:
            self._stamp, self._wanted = None, {}
        except ValueError:
            pass  # half-written: what was wanted before still is
        return self._wanted
