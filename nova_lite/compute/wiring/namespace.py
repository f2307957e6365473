"""A network namespace that has no name, and lives by a process that waits in it.

`ip netns add` would keep one by a mount on /run/netns. The daemon's unit has mounts of its own (ProtectSystem, PrivateTmp):
such a mount is seen by nobody else, and by the next start of the daemon neither. A process is found by all of them.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nova_lite.compute.wiring.commands import start
from nova_lite.compute.wiring.port import WiringError
from nova_lite.compute.wiring.process import Kept

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """The namespace of one network. `folder` is the network's, and is kept over restarts.

    Its process is a `cat` that opens a pipe which nobody ever writes to. dnsmasq would not do: it becomes another user, whose
    namespaces the daemon may not enter without the right to look into every process (CAP_SYS_PTRACE).
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is made here."""
        self._pipe = folder / "namespace"
        self._command = ("cat", str(self._pipe))
        self._holder = Kept(folder / "namespace.pid", self._command)

    def pid(self) -> int | None:
        """Give the process that holds it; None where there is none."""
        return self._holder.pid()

    def ensure(self) -> bool:
        """Have it; say whether it was made now, and is empty. May be repeated. Raises: WiringError."""
        pid = self.pid() or self._holder.search()
        if pid is not None and os.access(_path(pid), os.R_OK):
            self._holder.write(pid)
            return False
        self.remove()  # one that may not be entered is of a daemon with other rights
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._pipe, 0o600)
        start(["unshare", "--net", "setsid", "--fork", *self._command])
        pid = self._holder.catch()
        if pid is None:
            raise WiringError("A network namespace could not be made.")
        self._holder.write(pid)
        return True

    def remove(self) -> None:
        """Let it go; the kernel takes it when nothing else is in it. Nothing to remove is success."""
        pid = self.pid() or self._holder.search()
        if pid is not None:
            self._holder.write(pid)
            self._holder.end()

    def call(self, act: Callable[[], T]) -> T:
        """Call a function inside: what it opens and starts stays there. Raises: WiringError, and what the function raises.

        A thread is in a namespace, not the process: one is made for the call, and ends with it.
        """
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(self._inside, act).result()

    def _inside(self, act: Callable[[], T]) -> T:
        pid = self.pid()
        try:
            with open(_path(pid or 0), "rb") as found:
                _enter(found.fileno())
        except OSError as error:
            raise WiringError(f"A network namespace could not be entered: {error.strerror}.") from error
        return act()


def _path(pid: int) -> Path:
    return Path(f"/proc/{pid}/ns/net")


def _enter(descriptor: int) -> None:
    """Move the calling thread. By the C library: Python has this call only from 3.12 on. Raises: OSError."""
    if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
