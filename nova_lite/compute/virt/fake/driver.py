"""A hypervisor that is a file: guests survive kill -9 of the daemon, and mishaps come on demand. For simulation and tests.

`hypervisor.json` holds the guests; `behaviour.json` beside it sets mishaps by method (mishaps.py).
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from nova_lite.compute.effort import count_image
from nova_lite.compute.virt.driver import PasswordListener, PowerListener
from nova_lite.compute.virt.fake import hardware
from nova_lite.compute.virt.fake.consoles import UP, FakeConsoles
from nova_lite.compute.virt.fake.guests import Guests, boot
from nova_lite.compute.virt.fake.interfaces import FakeInterfaces
from nova_lite.compute.virt.fake.live import FakeLive
from nova_lite.compute.virt.fake.mishaps import Mishaps
from nova_lite.compute.virt.fake.moves import FakeMoves, Fetch
from nova_lite.compute.virt.fake.renewal import FakeRenewal, need_all, new_guest
from nova_lite.compute.virt.fake.snapshots import FakeSnapshots
from nova_lite.compute.virt.fake.states import FakeStates
from nova_lite.compute.virt.fetching import Fetcher
from nova_lite.model.diagnostics import CpuUse, Diagnostics, DiskUse, Flow, NicUse
from nova_lite.model.guest import GuestSpec, GuestState, PowerState
from nova_lite.model.host import HostFacts
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.image import ImageSource
from nova_lite.model.resources import Resources

TRAITS = ("COMPUTE_NODE", "HW_ARCH_X86_64")
HELD = (PowerState.PAUSED, PowerState.SUSPENDED)  # goes on where it was
TOTAL = Resources(vcpus=64, ram_mib=256 * 1024, disk_gib=2048)


class FakeDriver:
    """Fulfils VirtDriver without any guest. One object a file."""

    def __init__(
        self, folder: Path, host: HostName, *, zone: str = "nova", guests: Guests | None = None, fetching: Fetch | None = None
    ) -> None:
        """`folder` holds the two files; what an earlier process left there is found again. `guests`: instead of those there.

        `fetching` brings files of other hosts, by default through their doors.
        """
        self._guests = guests or Guests(folder)
        self._host = host
        self._zone = zone
        self._mishaps = Mishaps(folder)
        self.snapshots = FakeSnapshots(self._guests, self._mishaps)
        self.images: set[str] = set()  # as of this process: simulated hosts keep no images
        self._listener: PowerListener | None = None
        self.states = FakeStates(self._guests, self._mishaps, self._changed)
        self.interfaces = FakeInterfaces(self._guests, self._mishaps)
        self.renewal = FakeRenewal(self._guests, self._mishaps, self._changed, self._need_image)
        self.live = FakeLive(folder, self._guests, self._mishaps, self._changed)
        self.moves = FakeMoves(folder, self._guests, self._mishaps, self._changed, fetching or Fetcher().fetch)
        self.consoles = FakeConsoles(self._guests, self._mishaps)
        self.passwords: PasswordListener | None = None  # tests write one by calling it

    def facts(self) -> HostFacts:
        """Give what `behaviour.json` says, else a large host."""
        self._mishaps.befall("facts")
        given = self._mishaps.facts()
        total = hardware.total(given, TOTAL)
        return HostFacts(
            hypervisor_type="fake",
            hypervisor_version=1000000,
            hypervisor_hostname=self._host,
            architectures=("x86_64",),
            cpu_info=json.dumps({"arch": "x86_64", "model": "fake", "vendor": "nova-lite"}),
            total=total,
            zone=self._zone,
            traits=tuple(given.get("traits", TRAITS)),
            short_of=str(given.get("short_of", "")),
            hardware=hardware.offered(given, total),
        )

    def adopt(self) -> None:
        """Do nothing: there is no wiring."""

    def list_guests(self) -> tuple[GuestState, ...]:
        """List the guests in the file."""
        self._mishaps.befall("list_guests")
        with self._guests.lock:
            return tuple(
                GuestState(server_id=ServerId(server_id), power_state=PowerState(guest["power_state"]))
                for server_id, guest in sorted(self._guests.by_id.items())
            )

    def ensure_guest(self, spec: GuestSpec, stop: threading.Event) -> PowerState:
        """Write the guest down, or find it; one that is off is turned on."""
        self._mishaps.befall("ensure_guest", stop)
        with self._guests.lock:
            need_all(spec, self._need_image)
            guest = self._guests.by_id.get(spec.server_id)
            if guest is None:
                guest = self._guests.by_id[spec.server_id] = new_guest(spec)
            if guest["power_state"] == PowerState.RUNNING:
                return PowerState.RUNNING
            boot(guest)
            self._guests.save()
        return self._changed(spec.server_id, PowerState.RUNNING)

    def cache_image(self, source: ImageSource, stop: threading.Event) -> None:
        """Count the image as fetched."""
        self._mishaps.befall("cache_image", stop)
        with self._guests.lock:
            self.images.add(source.sha512)

    def remove_guest(self, server_id: ServerId) -> None:
        """Strike the guest out."""
        self._mishaps.befall("remove_guest")
        with self._guests.lock:
            kept = (self._guests.by_id, self._guests.held, self._guests.brought)
            if [one.pop(server_id, None) for one in kept] == [None, None, None]:
                return
            self._guests.save()
        self.moves.forget(server_id)
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
        with self._guests.lock:
            boot(self._guests.get(server_id))
            self._guests.save()
        return self._changed(server_id, PowerState.RUNNING)

    def console_output(self, server_id: ServerId, lines: int | None) -> bytes:
        """Give what its boots wrote."""
        self._mishaps.befall("console_output")
        with self._guests.lock:
            kept = self._guests.get(server_id)["console"].splitlines(keepends=True)
        if lines is not None:
            kept = kept[-lines:] if lines else []
        return "".join(kept).encode("utf-8")

    def diagnostics(self, server_id: ServerId) -> Diagnostics | None:
        """Give a guest of the size it was asked in that has done nothing yet."""
        self._mishaps.befall("diagnostics")
        with self._guests.lock:
            guest = self._guests.get(server_id)
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
        self.passwords = listener

    def close(self) -> None:
        """Do nothing."""

    def crash(self, server_id: ServerId, power_state: PowerState = PowerState.CRASHED) -> None:
        """Change a guest's power as nobody asked for. For tests."""
        with self._guests.lock:
            self._guests.get(server_id)["power_state"] = power_state.value
            self._guests.save()
        self._changed(server_id, power_state)

    def boots(self, server_id: ServerId) -> int:
        """Give how often a guest was booted. For tests."""
        with self._guests.lock:
            return int(self._guests.get(server_id)["boots"])

    def _need_image(self, image: ImageSource | None) -> None:
        """Count the image as fetched the first time, as a host with a cache does."""
        if image is not None:
            count_image(0 if image.sha512 in self.images else image.size_bytes)
            self.images.add(image.sha512)

    def _set(self, server_id: ServerId, power_state: PowerState) -> PowerState:
        with self._guests.lock:
            guest = self._guests.get(server_id)
            if guest["power_state"] == power_state:
                return power_state
            if power_state is PowerState.RUNNING and guest["power_state"] not in HELD:
                guest.pop("rescue", None)
                boot(guest)
            guest["power_state"] = power_state.value
            self._guests.save()
        return self._changed(server_id, power_state)

    def _changed(self, server_id: ServerId, power_state: PowerState) -> PowerState:
        if power_state not in UP:
            self.consoles.end(server_id)
        if self._listener is not None and power_state is not PowerState.NOSTATE:
            self._listener(server_id, power_state)
        return power_state
