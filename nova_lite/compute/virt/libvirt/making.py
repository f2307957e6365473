"""What has to be there before a domain can be: the guest's spec, disks, taps and metadata; and the XML over them."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator

from nova_lite.compute.disks.root import GuestDisks
from nova_lite.compute.disks.tool import DiskError
from nova_lite.compute.pins import PinBook
from nova_lite.compute.specs import GuestSpecs
from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.compute.virt.libvirt import facts, seats, xml
from nova_lite.compute.virt.libvirt.connection import Connection
from nova_lite.compute.wiring.port import Wiring, WiringError
from nova_lite.image.client import Stopped as DownloadStopped
from nova_lite.model.guest import GuestSpec
from nova_lite.model.ids import ServerId


@dataclasses.dataclass(frozen=True, kw_only=True)
class LibvirtParts:
    """What the driver stands on."""

    uri: str
    place: facts.Place
    disks: GuestDisks
    specs: GuestSpecs
    wiring: Wiring
    pins: PinBook


class Making:
    """Makes what a domain stands on. Everything may be repeated."""

    def __init__(self, parts: LibvirtParts, connection: Connection) -> None:
        """Nothing is made yet."""
        self._parts = parts
        self._connection = connection

    def text_of(self, spec: GuestSpec, stop: threading.Event) -> str:
        """Have everything that the guest needs; give its domain's XML. Raises: VirtError, Stopped."""
        self._parts.specs.save(spec)
        with disk_errors():
            disks = self._parts.disks.ensure(spec, stop)
        _heed(stop)
        plugs = self.wire(spec)
        seat = seats.find(self._connection, self._parts.place, self._parts.pins, spec)
        _heed(stop)
        return xml.domain_xml(
            xml.Domain(
                spec=spec,
                host=self._parts.place.host,
                kvm=self._parts.place.kvm,
                disks=disks,
                plugs=plugs,
                console_log=self._parts.disks.console_log(spec.server_id),
                nvram=self._parts.disks.nvram(spec.server_id),
                seat=seat,
            )
        )

    def rewire(self, server_id: ServerId) -> None:
        """Have the taps and metadata of a guest that is here; without its spec nothing is known of them. Raises: VirtError."""
        spec = self._parts.specs.find(server_id)
        if spec is not None:
            self.wire(spec)

    def wire(self, spec: GuestSpec) -> tuple[xml.Plug, ...]:
        """Have the guest's taps and metadata. Raises: VirtError."""
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
    """Turn what goes wrong with disks into a driver's errors."""
    try:
        yield
    except DiskError as error:
        raise VirtError(error.message, code=error.code, host_at_fault=error.host_at_fault) from error
    except DownloadStopped as error:
        raise Stopped from error


def _heed(stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped
