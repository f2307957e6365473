"""What `behaviour.json` wants to happen to the fake driver: read anew whenever it changes.

    {"ensure_guest": {"delay_s": 2.5, "fail": {"message": "no luck", "host_at_fault": false, "times": 3}},
     "facts": {"vcpus": 4, "ram_mib": 4096, "disk_gib": 100, "traits": ["CUSTOM_GPU"], "short_of": "disk"}}

Without `times` it fails always; a method may have either or both. A `delay_s` ends early when the work is stopped.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nova_lite.compute.virt.driver import Stopped, VirtError

BEHAVIOUR = "behaviour.json"
NEVER = threading.Event()


class Mishaps:
    """Mishaps by method of the driver."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds the file, or does not yet."""
        self._path = folder / BEHAVIOUR
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
