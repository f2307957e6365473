"""Snapshots of libvirt's guests. A running guest's disk is held by a backup in pull mode: QEMU puts what the guest overwrites
meanwhile into a scratch file and exports the disk as it was by NBD. The disk of one that is off is exported by qemu-nbd.

Either way the whole chain is read as one flat disk and streamed: no copy of it is made here.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt

from nova_lite import errors
from nova_lite.compute.disks import nbd, qcow2
from nova_lite.compute.disks.root import ROOT, GuestDisks
from nova_lite.compute.disks.tool import DiskError
from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.compute.virt.libvirt import agent, domains
from nova_lite.compute.virt.libvirt.connection import Connection, is_alive
from nova_lite.image import client, sending
from nova_lite.model.ids import ServerId
from nova_lite.model.image import ImageTarget
from nova_lite.rpc.commands import Quiesce

LOG = logging.getLogger(__name__)
EXPORT = "root"
SOCKET = "nova-lite-snapshot.sock"
SCRATCH = "snapshot.scratch"
FROZEN = "snapshot.frozen"  # a mark: the guest's file systems may be held still
LIBVIRT_FOLDER = Path("/var/lib/libvirt")  # as libvirt sees it; QEMU may make sockets in its guest's own folder below
NAME_LENGTH = 20  # of a guest's name in the name of that folder
HOLD_S = 180.0  # freezing, the beginning of the backup, thawing: each answer of the agent has its own, shorter time
END_S = 30.0
LOOK_S = 0.1
TRIES = 2  # a guest that ends while it is read is read once more, then from its file
Send = Callable[[ImageTarget, sending.Content, threading.Event], None]


class LibvirtSnapshots:
    """Fulfils Snapshots."""

    def __init__(
        self,
        connection: Connection,
        host: str,
        disks: GuestDisks,
        *,
        send: Send = sending.send,
        libvirt_folder: Path = LIBVIRT_FOLDER,
    ) -> None:
        """`libvirt_folder`: where this process finds libvirt's folder."""
        self._connection = connection
        self._host = host
        self._disks = disks
        self.send = send
        self.libvirt_folder = libvirt_folder

    def take(self, server_id: ServerId, quiesce: Quiesce, stop: threading.Event) -> None:
        """Hold the disk of a guest that runs; that of one that is off stays as it is. Raises: VirtError, Stopped."""
        if not self._root(server_id).exists():
            raise VirtError("The host has no such guest.", code="no_guest", host_at_fault=False)
        self.release(server_id)
        if stop.is_set():
            raise Stopped
        self._hold(server_id, quiesce)

    def upload(self, server_id: ServerId, target: ImageTarget, quiesce: Quiesce, stop: threading.Event) -> None:
        """Send the disk. Raises: VirtError, Stopped."""
        try:
            for again in reversed(range(TRIES)):
                try:
                    self._send(server_id, target, quiesce, stop)
                    return
                except (DiskError, OSError) as error:
                    if not again:
                        raise
                    LOG.info("A snapshot is taken anew: %s", error, extra={"server_id": server_id})
                    self.take(server_id, quiesce, stop)
        except client.Stopped as error:
            raise Stopped from error
        except DiskError as error:
            raise VirtError(error.message, code=error.code, host_at_fault=error.host_at_fault) from error
        except errors.NovaLiteError as error:
            raise VirtError(error.message, code=error.code, host_at_fault=False) from error
        finally:
            self.release(server_id)

    def release(self, server_id: ServerId) -> None:
        """End the backup that holds the disk, let the guest write, and leave no file of it. Raises: VirtError."""
        folder = self._disks.folder_of(server_id)

        def end(connection: libvirt.virConnect) -> None:
            domain = domains.find(connection, self._host, server_id)
            if domain is not None and domain.isActive():
                _let_write(domain, folder / FROZEN)
                _end_backup(domain)

        self._connection.run(end, timeout_s=HOLD_S)
        for name in (SCRATCH, SOCKET, FROZEN):
            (folder / name).unlink(missing_ok=True)

    def _root(self, server_id: ServerId) -> Path:
        return self._disks.folder_of(server_id) / ROOT

    def _hold(self, server_id: ServerId, quiesce: Quiesce) -> Path | None:
        """Hold the disk, or find it held; give the socket as this process sees it, None for a guest that is off."""
        mark = self._disks.folder_of(server_id) / FROZEN

        def begin(connection: libvirt.virConnect) -> str | None:
            domain = domains.find(connection, self._host, server_id)
            if domain is None or not domain.isActive():
                return None
            folder = f"qemu/domain-{domain.ID()}-{domain.name()[:NAME_LENGTH]}"
            _let_write(domain, mark)
            if not _is_backed_up(domain):
                socket = LIBVIRT_FOLDER / folder / SOCKET
                _begin_backup(domain, _backup_xml(domain, self._root(server_id), socket), quiesce, mark)
            return folder

        folder = self._connection.run(begin, timeout_s=HOLD_S)
        return None if folder is None else self.libvirt_folder / folder / SOCKET

    def _send(self, server_id: ServerId, target: ImageTarget, quiesce: Quiesce, stop: threading.Event) -> None:
        with self._exported(server_id, quiesce, stop) as path, nbd.reading(path, EXPORT) as reader:
            layout = qcow2.lay_out(reader.size_bytes, nbd.extents(path, EXPORT))
            content = sending.Content(size_bytes=layout.size_bytes, pieces=lambda: qcow2.write(layout, reader.read))
            self.send(target, content, stop)
        LOG.info("A snapshot was sent.", extra={"server_id": server_id, "bytes": layout.size_bytes})

    @contextlib.contextmanager
    def _exported(self, server_id: ServerId, quiesce: Quiesce, stop: threading.Event) -> Iterator[Path]:
        """Have the disk exported while the block lasts; give the socket."""
        held = self._hold(server_id, quiesce)
        if held is not None:
            yield held
            return
        path = self._disks.folder_of(server_id) / SOCKET
        path.unlink(missing_ok=True)
        with nbd.short_path(path) as (address, folder):
            command = ["qemu-nbd", "--read-only", "--persistent", "--shared=4", f"--export-name={EXPORT}"]
            command += ["--format=qcow2", f"--socket={address}", str(self._root(server_id))]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(folder,)
            )
            try:
                _wait_for(path, process, stop)
                yield path
            finally:
                process.kill()
                process.wait()
                path.unlink(missing_ok=True)


def _wait_for(path: Path, process: subprocess.Popen[bytes], stop: threading.Event) -> None:
    until = time.monotonic() + END_S
    while not path.exists():
        if process.poll() is not None or time.monotonic() > until:
            raise DiskError("The host could not read the disk.")
        if stop.wait(LOOK_S):
            raise client.Stopped


def _backup_xml(domain: libvirt.virDomain, root: Path, socket: Path) -> str:
    """Say what is backed up: the root disk alone (https://libvirt.org/formatbackup.html)."""
    backup = ET.Element("domainbackup", mode="pull")
    ET.SubElement(backup, "server", transport="unix", socket=str(socket))
    disks = ET.SubElement(backup, "disks")
    for disk in ET.fromstring(domain.XMLDesc()).iterfind("devices/disk"):  # noqa: S314 - libvirt wrote it
        source, target = disk.find("source"), disk.find("target")
        if target is None or disk.get("device") != "disk":
            continue
        mine = source is not None and source.get("file") == str(root)
        one = ET.SubElement(disks, "disk", name=target.get("dev", ""), backup="yes" if mine else "no")
        if mine:
            one.attrib |= {"type": "file", "exportname": EXPORT}
            ET.SubElement(one, "scratch", file=str(root.with_name(SCRATCH)))
    return ET.tostring(backup, encoding="unicode")


def _begin_backup(domain: libvirt.virDomain, text: str, quiesce: Quiesce, mark: Path) -> None:
    frozen = quiesce is not Quiesce.NO and _freeze(domain, mark, must=quiesce is Quiesce.MUST)
    try:
        domain.backupBegin(text, None)
    finally:
        if frozen:
            _let_write(domain, mark)


def _freeze(domain: libvirt.virDomain, mark: Path, *, must: bool) -> bool:
    """Have the guest hold its file systems still. Raises: VirtError when it must and does not; libvirtError without libvirt."""
    try:
        agent.freeze(domain, mark)
    except libvirt.libvirtError as error:
        if not is_alive(domain.connect()):
            raise
        if must:
            raise VirtError(
                "The guest's file systems could not be held still for the snapshot: its agent does not answer.",
                code="quiesce",
                host_at_fault=False,
            ) from error
        LOG.info("A snapshot is taken without the guest's agent.", extra={"code": error.get_error_code()})
        return False
    return True


def _let_write(domain: libvirt.virDomain, mark: Path) -> None:
    """Let go of file systems that were left held still: when the connection broke, or the daemon died, in that moment."""
    if mark.exists() and not agent.thaw(domain, mark):
        LOG.warning("A guest's file systems may be held still: its agent does not answer.", extra={"guest": domain.name()})


def _is_backed_up(domain: libvirt.virDomain) -> bool:
    try:
        domain.backupGetXMLDesc()
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN_BACKUP, libvirt.VIR_ERR_OPERATION_INVALID):
            return False
        raise
    return True


def _end_backup(domain: libvirt.virDomain) -> None:
    """End a guest's backup, and wait until it is over."""
    if not _is_backed_up(domain):
        return
    until = time.monotonic() + END_S
    with contextlib.suppress(libvirt.libvirtError):
        domain.abortJob()
    while domain.isActive() and _is_backed_up(domain):
        if time.monotonic() > until:
            raise VirtError("The hypervisor does not end the snapshot.", code="unavailable")
        time.sleep(LOOK_S)
