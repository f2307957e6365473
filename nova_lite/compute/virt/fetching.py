"""Fetching a server's files for a driver: what goes wrong becomes the driver's errors, and progress is told."""

from __future__ import annotations

import contextvars
import threading
from pathlib import Path

from nova_lite.compute import effort
from nova_lite.compute.moving.fetch import FetchError, Fetching, fetch
from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.image.client import Stopped as FetchStopped
from nova_lite.model.ids import ServerId
from nova_lite.model.migration import Progress
from nova_lite.rpc.commands import MoveSource


class Fetcher:
    """Fetches at a rate."""

    def __init__(self, how: Fetching | None = None) -> None:
        """`how` is the same for all moves of a host."""
        self._how = how or Fetching()

    def fetch(self, source: MoveSource, server_id: ServerId, folder: Path, stop: threading.Event) -> None:
        """Bring all files that a door offers of a server into a folder. May be repeated. Raises: VirtError, Stopped."""
        work = contextvars.copy_context()  # progress is told from the connections' threads, and is of this thread's work
        try:
            fetch(source, server_id, folder, stop, lambda done, total: work.run(_tell, done, total), how=self._how)
        except FetchError as error:
            raise VirtError(error.message, code=error.code) from error
        except FetchStopped as error:
            raise Stopped from error


def _tell(done: int, total: int) -> None:
    effort.tell(Progress(disk_total=total, disk_processed=done, disk_remaining=total - done))
