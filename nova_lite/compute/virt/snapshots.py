"""The part of a hypervisor that takes snapshots of root disks. Rules of repeating as for `driver.py`."""

from __future__ import annotations

import threading
from typing import Protocol

from nova_lite.model.ids import ServerId
from nova_lite.model.image import ImageTarget
from nova_lite.rpc.commands import Quiesce


class Snapshots(Protocol):
    """Holds disks as they are at a moment, and sends them off."""

    def take(self, server_id: ServerId, quiesce: Quiesce, stop: threading.Event) -> None:
        """Hold the root disk as it is now; what was held before is let go. The guest goes on.

        Raises: VirtError (`no_guest`; `quiesce` when the guest's agent was to help and did not); Stopped.
        """

    def upload(self, server_id: ServerId, target: ImageTarget, quiesce: Quiesce, stop: threading.Event) -> None:
        """Send what is held to the image service as a flat qcow2, and hold it no longer, however it ends.

        Where nothing is held (the daemon or the guest ended meanwhile) it is taken anew.
        Raises: VirtError, with the image service's word where that refuses; Stopped.
        """

    def release(self, server_id: ServerId) -> None:
        """Hold nothing of the guest; no guest is success. Raises: VirtError."""
