"""Running libvirt guests handed over by libvirt's managed migration, all of whose connections go through the target's door.

The source's libvirt client speaks to both libvirts; memory and disks go from QEMU to QEMU by ports of each host's own address.
"""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import libvirt

from nova_lite.compute import effort
from nova_lite.compute.disks.root import BootFiles
from nova_lite.compute.moving import tunnel
from nova_lite.compute.moving.door import LiveOffer
from nova_lite.compute.moving.fetch import FetchError
from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.compute.virt.libvirt import domains, xml
from nova_lite.compute.virt.libvirt.connection import Connection
from nova_lite.compute.virt.libvirt.making import Making, disk_errors
from nova_lite.compute.virt.libvirt.parts import LibvirtParts
from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import ServerId
from nova_lite.model.migration import Progress
from nova_lite.rpc.commands import MoveSource
from nova_lite.rpc.files import write_secret

LOG = logging.getLogger(__name__)
WAITED = "live.json"  # in the guest's folder: the token's hash, and what the source has to know
LONGEST_S = 4 * 3600.0
LOOK_S = 0.5
OBEYS_S, RETURNS_S = 30.0, 30.0  # how long libvirt has to give up when asked; and to return once nothing is carried any more
CLEARS_UP_S, AT_ONCE_S, PAUSE_S = 10.0, 5.0, 1.0
FLAGS = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    | libvirt.VIR_MIGRATE_NON_SHARED_INC
    | libvirt.VIR_MIGRATE_AUTO_CONVERGE
    | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
)


class LibvirtLive:
    """Fulfils `LiveMoves`."""

    def __init__(self, parts: LibvirtParts, making: Making, connection: Connection) -> None:
        """`making` makes disks and taps."""
        self._parts = parts
        self._making = making
        self._connection = connection
        self._host = parts.place.host

    def prepare(self, spec: GuestSpec, token: str, stop: threading.Event) -> None:
        """Have empty disks over the same image, and taps. Raises: VirtError; Stopped."""
        self._parts.specs.save(spec)
        with disk_errors():
            disks = self._parts.disks.ensure(spec, stop)
        plugs = self._making.wire(spec)
        facts = {
            "host": self._host,
            "disks": {disk.path.name: str(disk.path) for disk in disks},
            "bases": {disk.path.name: str(disk.base) for disk in disks if disk.base is not None},
            "taps": {plug.interface.mac_address: plug.tap for plug in plugs},
            "nvram": str(self._parts.disks.nvram(spec.server_id)),
            "log": str(self._parts.disks.console_log(spec.server_id)),
            "boot": _boot_facts(self._parts.disks.boot_files(spec)),
        }
        waited = {"token_sha256": tunnel.digest_of(token), "facts": facts}
        write_secret(self._waited(spec.server_id), json.dumps(waited).encode())
        self._making.mine.add(spec.server_id)

    def live_of(self, server_id: ServerId) -> LiveOffer | None:
        """Give what may be done to hand a guest over."""
        try:
            waited = json.loads(self._waited(server_id).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        memory, disks = tunnel.ports_of(waited["token_sha256"])
        return LiveOffer(
            token_sha256=waited["token_sha256"],
            facts=waited["facts"],
            files={"config.iso": self._parts.disks.folder_of(server_id) / "config.iso"},
            places={"libvirt": str(_socket_of(self._parts.uri)), "memory": memory, "disks": disks},
        )

    def migrate(self, server_id: ServerId, target: MoveSource, stop: threading.Event) -> None:
        """Hand the guest over. Raises: VirtError when it is still here; Stopped."""
        if self._power(server_id) is None:
            return
        try:
            facts = tunnel.ask(target, server_id)
            iso = self._parts.disks.folder_of(server_id) / "config.iso"
            if iso.exists():
                tunnel.give(target, server_id, iso.name, iso.read_bytes())
            with tunnel.Tunnels(target, server_id) as tunnels, tempfile.TemporaryDirectory(prefix="nova-lite-") as folder:
                memory, disks = tunnel.ports_of(tunnel.digest_of(target.token))
                socket_path = Path(folder) / "libvirt"
                tunnels.listen_unix(socket_path, "libvirt")
                tunnels.listen_tcp(memory, "memory")
                tunnels.listen_tcp(disks, "disks")
                self._hand_over(server_id, facts, tunnels, (socket_path, memory, disks), stop)
        except (FetchError, OSError) as error:
            raise VirtError("The target host cannot be reached for the guest.", code="no_target") from error

    def stay(self, server_id: ServerId) -> PowerState:
        """Have the guest run on here. Raises: VirtError."""

        def look(connection: libvirt.virConnect) -> PowerState | None:
            domain = domains.find(connection, self._host, server_id)
            if domain is None:
                return None
            if domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
                domain.abortJob()
            return domains.power_of(domain)

        power = self._connection.run(look)
        if power in (None, PowerState.NOSTATE):
            raise VirtError("The guest runs on the target host already.", code="moved")
        return power

    def finish(self, server_id: ServerId) -> PowerState:
        """Look that the guest is here; nobody may come in for it any more. Raises: VirtError."""
        power = self._power(server_id)
        if power is None:
            raise VirtError("The guest that was handed over is not here.", code="no_guest")
        self._waited(server_id).unlink(missing_ok=True)
        return power

    def force(self, server_id: ServerId) -> None:
        """Stop the guest's processor, so that its memory can be copied at last; it goes on where it arrives."""

        def act(connection: libvirt.virConnect) -> None:
            domain = domains.find(connection, self._host, server_id)
            if domain is not None and domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
                domain.suspend()

        self._connection.run(act)

    def _waited(self, server_id: ServerId) -> Path:
        return self._parts.disks.folder_of(server_id) / WAITED

    def _power(self, server_id: ServerId) -> PowerState | None:
        def look(connection: libvirt.virConnect) -> PowerState | None:
            domain = domains.find(connection, self._host, server_id)
            return None if domain is None else domains.power_of(domain)

        return self._connection.run(look)

    def _hand_over(
        self,
        server_id: ServerId,
        facts: Mapping[str, Any],
        tunnels: tunnel.Tunnels,
        ways: tuple[Path, int, int],
        stop: threading.Event,
    ) -> None:
        """Run the migration in a thread of its own, and watch it. Raises: VirtError; Stopped."""
        ended, failed = threading.Event(), list[VirtError]()

        def work() -> None:
            try:
                self._try(lambda one: _migrate(one, self._host, server_id, facts, ways), stop)
            except VirtError as error:
                failed.append(error)
            finally:
                ended.set()

        threading.Thread(target=work, name=f"live-{server_id[:8]}", daemon=True).start()
        asked_at = cut_at = None
        while not ended.wait(LOOK_S):
            self._watch(server_id, stop)
            now = time.monotonic()
            if stop.is_set() and asked_at is None:
                asked_at = now
            if asked_at is not None and now - asked_at > OBEYS_S and cut_at is None and self._cut(server_id, tunnels):
                cut_at = now
            if cut_at is not None and now - cut_at > RETURNS_S:
                raise VirtError("The hypervisor does not answer.", code="unavailable")
        if failed and stop.is_set():
            raise Stopped
        if failed:
            raise VirtError("The guest could not be handed over; it runs on where it was.", code="live") from failed[0]

    def _cut(self, server_id: ServerId, tunnels: tunnel.Tunnels) -> bool:
        """End the tunnels of a migration that was given up and does not end: the far libvirt may hang. Give whether all ended.

        libvirt's own only while the guest runs here and cannot get away any more: had its memory gone over whole, the word
        that lets it go on may be on its way, and it would run on both hosts.
        """
        tunnels.cut("memory", "disks")

        def stays(connection: libvirt.virConnect) -> bool:
            domain = domains.find(connection, self._host, server_id)
            return domain is not None and not domains.is_going(domain)

        try:
            here = self._connection.run(stays)
        except VirtError:
            return False
        if here:
            LOG.warning("A migration was given up and does not end; its connections are cut.")
            tunnels.cut("libvirt")
        return here

    def _try(self, act: Callable[[libvirt.virConnect], None], stop: threading.Event) -> None:
        """Migrate; what is refused at once, again for a few seconds: a target clears up after an attempt that was cut.

        Until then its ports are taken, which are the same for the same move. Raises: VirtError.
        """
        until = time.monotonic() + CLEARS_UP_S
        while True:
            began = time.monotonic()
            try:
                self._connection.run(act, timeout_s=LONGEST_S)
            except VirtError:
                now = time.monotonic()
                if now > until or now - began > AT_ONCE_S or stop.wait(PAUSE_S):
                    raise
            else:
                return

    def _watch(self, server_id: ServerId, stop: threading.Event) -> None:
        """Tell how far it is; give it up when that is asked."""

        def look(connection: libvirt.virConnect) -> Mapping[str, Any]:
            domain = domains.find(connection, self._host, server_id)
            if domain is None:
                return {}
            if stop.is_set():
                domain.abortJob()
            return dict(domain.jobStats())

        try:
            stats = self._connection.run(look)
        except VirtError:
            return  # it ends just now
        effort.tell(
            Progress(
                **{
                    f"{ours}_{what}": int(stats.get(f"{theirs}_{what}", 0))
                    for ours, theirs in (("memory", "memory"), ("disk", "disk"))
                    for what in ("total", "processed", "remaining")
                }
            )
        )


def _migrate(
    connection: libvirt.virConnect,
    host: str,
    server_id: ServerId,
    facts: Mapping[str, Any],
    ways: tuple[Path, int, int],
) -> None:
    socket_path, memory, disks = ways
    domain = domains.find(connection, host, server_id)
    if domain is None:
        return
    text = there(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE), facts)
    names = [
        element.find("target").get("dev")  # type: ignore[union-attr]
        for element in ET.fromstring(text).findall("./devices/disk")  # noqa: S314 - libvirt wrote it
        if element.get("device") == "disk"
    ]
    far = libvirt.open(f"qemu+unix:///system?socket={socket_path}")
    try:
        domain.migrate3(
            far,
            {
                libvirt.VIR_MIGRATE_PARAM_URI: f"tcp://{tunnel.NEAR_ADDRESS}:{memory}",
                libvirt.VIR_MIGRATE_PARAM_LISTEN_ADDRESS: "127.0.0.1",
                libvirt.VIR_MIGRATE_PARAM_DISKS_PORT: disks,
                libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS: names,
                libvirt.VIR_MIGRATE_PARAM_DEST_XML: text,
                libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: text,
            },
            FLAGS,
        )
    finally:
        far.close()


def _boot_facts(files: BootFiles | None) -> dict[str, str]:
    """Name the files that a guest boots with, by their elements of a domain."""
    if files is None:
        return {}
    return {"kernel": str(files.kernel)} | ({} if files.ramdisk is None else {"initrd": str(files.ramdisk)})


def there(text: str, facts: Mapping[str, Any]) -> str:
    """Write a domain's XML as it is on the target: its files, taps and mark."""
    domain = ET.fromstring(text)  # noqa: S314 - libvirt wrote it
    ET.register_namespace(xml.PREFIX, xml.NAMESPACE)
    mark = domain.find(f"./metadata/{{{xml.NAMESPACE}}}guest")
    if mark is not None:
        mark.set("host", facts["host"])
    for disk in domain.findall("./devices/disk"):
        source = disk.find("source")
        name = Path(source.get("file", "")).name if source is not None else ""
        if source is not None and name in facts["disks"]:
            source.set("file", facts["disks"][name])
        below = disk.find("./backingStore/source")
        if below is not None and name in facts["bases"]:
            below.set("file", facts["bases"][name])
    for interface in domain.findall("./devices/interface"):
        mac, tap = interface.find("mac"), interface.find("target")
        if mac is not None and tap is not None:
            tap.set("dev", facts["taps"].get(mac.get("address"), tap.get("dev")))
    nvram = domain.find("./os/nvram")
    if nvram is not None and nvram.text:
        nvram.text = facts["nvram"]
    for name, path in facts.get("boot", {}).items():
        element = domain.find(f"./os/{name}")
        if element is not None:
            element.text = path
    for log in domain.iter("log"):
        log.set("file", facts["log"])
    return ET.tostring(domain, encoding="unicode")


def _socket_of(uri: str) -> Path:
    """Give where this host's libvirt listens."""
    _, _, query = uri.partition("?socket=")
    return Path(query) if query else Path("/run/libvirt/libvirt-sock")
