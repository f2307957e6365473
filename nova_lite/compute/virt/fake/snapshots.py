"""Snapshots of simulated guests: a small disk, generated, is really sent to the image service."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nova_lite import errors
from nova_lite.compute.disks import qcow2
from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.compute.virt.fake.guests import Guests
from nova_lite.compute.virt.fake.mishaps import Mishaps
from nova_lite.image import client, sending
from nova_lite.model.ids import ServerId
from nova_lite.model.image import ImageTarget
from nova_lite.rpc.commands import Quiesce

DISK_BYTES = 1 << 20
Send = Callable[[ImageTarget, sending.Content, threading.Event], None]


class FakeSnapshots:
    """Fulfils Snapshots. `send` may be replaced where there is no image service to be reached."""

    def __init__(self, guests: Guests, mishaps: Mishaps, send: Send = sending.send) -> None:
        """What is held stands in the guests' file."""
        self._guests = guests
        self._mishaps = mishaps
        self.send = send

    def take(self, server_id: ServerId, quiesce: Quiesce, stop: threading.Event) -> None:
        """Note that the disk is held."""
        self._mishaps.befall("take_snapshot", stop)
        self._hold(server_id)

    def upload(self, server_id: ServerId, target: ImageTarget, quiesce: Quiesce, stop: threading.Event) -> None:
        """Send a disk that begins with the guest's console."""
        try:
            self._mishaps.befall("upload_snapshot", stop)
            with self._guests.lock:
                text = self._guests.get(server_id)["console"].encode("utf-8")
            disk = (f"disk of {server_id}\n".encode() + text).ljust(DISK_BYTES, b"\0")
            layout = qcow2.lay_out(DISK_BYTES, [(0, len(text) + 1024)])
            content = sending.Content(
                size_bytes=layout.size_bytes,
                pieces=lambda: qcow2.write(layout, lambda offset, length: disk[offset : offset + length]),
            )
            self.send(target, content, stop)
        except client.Stopped as error:
            raise Stopped from error
        except errors.NovaLiteError as error:
            raise VirtError(error.message, code=error.code, host_at_fault=False) from error
        finally:
            self.release(server_id)

    def release(self, server_id: ServerId) -> None:
        """Note that the disk is not held."""
        self._mishaps.befall("release_snapshot")
        with self._guests.lock:
            guest = self._guests.by_id.get(server_id)
            if guest is not None and guest.pop("held", False):
                self._guests.save()

    def held(self, server_id: ServerId) -> bool:
        """Whether the guest's disk is held. For tests."""
        with self._guests.lock:
            return bool(self._guests.get(server_id).get("held"))

    def _hold(self, server_id: ServerId) -> None:
        with self._guests.lock:
            self._guests.get(server_id)["held"] = True
            self._guests.save()
