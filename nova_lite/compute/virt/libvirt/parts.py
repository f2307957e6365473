"""What the libvirt driver stands on."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

from nova_lite.compute.disks.root import GuestDisks
from nova_lite.compute.pins import PinBook
from nova_lite.compute.specs import GuestSpecs
from nova_lite.compute.virt.libvirt import facts
from nova_lite.compute.wiring.port import Wiring
from nova_lite.model.ids import ServerId
from nova_lite.rpc.commands import MoveSource

Fetch = Callable[[MoveSource, ServerId, Path, threading.Event], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LibvirtParts:
    """A libvirt, and what guests are made of. `fetch` brings files of other hosts."""

    uri: str
    place: facts.Place
    disks: GuestDisks
    specs: GuestSpecs
    wiring: Wiring
    pins: PinBook
    fetch: Fetch
