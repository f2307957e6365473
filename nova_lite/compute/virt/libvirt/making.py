"""Making a guest of its specification: disks, taps and metadata first, then the domain; and taking the domain away again."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator

from nova_lite.compute.disks.tool import DiskError
from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.compute.virt.libvirt import domains, seats, xml
from nova_lite.compute.virt.libvirt.connection import Connection
from nova_lite.compute.virt.libvirt.parts import LibvirtParts
from nova_lite.compute.wiring.port import WiringError
from nova_lite.image.client import Stopped as DownloadStopped
from nova_lite.model.guest import GuestSpec
from nova_lite.model.ids import ServerId

START_S = 120.0  # QEMU's start on a busy host
DESTROY_S = 60.0


class Making:
    """Makes guests on one connection. `mine` are the guests known to be this host's."""

    def __init__(self, parts: LibvirtParts, connection: Connection) -> None:
        """Nothing is asked of libvirt yet."""
        self._parts = parts
        self._connection = connection
        self._host = parts.place.host
        self.mine: set[str] = set()

    def start(self, spec: GuestSpec, stop: threading.Event) -> None:
        """Have a guest that is not there running. Raises: VirtError, Stopped."""
        text, given_up = self.prepare(spec, stop), threading.Event()
        try:
            self._connection.run(lambda connection: domains.define_and_start(connection, text, given_up), timeout_s=START_S)
        except VirtError:
            given_up.set()
            raise

    def define(self, spec: GuestSpec, stop: threading.Event) -> None:
        """Have a guest that is off. Raises: VirtError, Stopped."""
        text = self.prepare(spec, stop)
        self._connection.run(lambda connection: domains.define(connection, text))

    def forget(self, server_id: ServerId) -> None:
        """Have no domain and no taps of a guest; its disks stay. May be repeated. Raises: VirtError."""
        self._connection.run(lambda connection: domains.remove(connection, self._host, server_id), timeout_s=DESTROY_S)
        try:
            self._parts.wiring.unplug(server_id)
        except WiringError as error:
            raise VirtError(error.message, code="wiring") from error
        self._parts.pins.release(server_id)

    def prepare(self, spec: GuestSpec, stop: threading.Event) -> str:
        """Have all that a domain needs; give its XML. Raises: VirtError, Stopped."""
        heed(stop)
        self._parts.specs.save(spec)
        with disk_errors():
            disks = self._parts.disks.ensure(spec, stop)
        heed(stop)
        plugs = self.wire(spec)
        seat = seats.find(self._connection, self._parts.place, self._parts.pins, spec)
        heed(stop)
        self.mine.add(spec.server_id)
        return xml.domain_xml(
            xml.Domain(
                spec=spec,
                host=self._host,
                kvm=self._parts.place.kvm,
                disks=disks,
                plugs=plugs,
                console_log=self._parts.disks.console_log(spec.server_id),
                nvram=self._parts.disks.nvram(spec.server_id),
                boot=self._parts.disks.boot_files(spec),
                seat=seat,
            )
        )

    def rewire(self, server_id: ServerId) -> None:
        """Have the taps and metadata of a guest that is here; without its spec nothing is known of them. Raises: VirtError."""
        spec = self._parts.specs.find(server_id)
        if spec is not None:
            self.wire(spec)

    def wire(self, spec: GuestSpec) -> tuple[xml.Plug, ...]:
        """Have a guest's networks, taps and metadata. May be repeated. Raises: VirtError."""
        wiring, queues = self._parts.wiring, xml.hardware_of(spec).nic_queues
        try:
            interfaces = tuple(dataclasses.replace(one, queues=queues) for one in spec.interfaces)
            for interface in interfaces:
                wiring.ensure_network(interface)
            wiring.set_metadata(spec)
            return tuple(xml.Plug(interface=one, tap=wiring.plug(spec.server_id, one)) for one in interfaces)
        except WiringError as error:
            raise VirtError(error.message, code="wiring") from error


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what disks raise into the driver's errors."""
    try:
        yield
    except DiskError as error:
        raise VirtError(error.message, code=error.code, host_at_fault=error.host_at_fault) from error
    except DownloadStopped as error:
        raise Stopped from error


def heed(stop: threading.Event) -> None:
    """Raises: Stopped."""
    if stop.is_set():
        raise Stopped
