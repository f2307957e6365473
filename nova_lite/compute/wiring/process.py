"""Processes that outlive the daemon, and are found again by the next one."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

END_S = 5.0
PROC = Path("/proc")
DEAD = ("Z", "X")
EXITING = 0x4  # among a process's flags


class Kept:
    """A process whose number stands in a file. A number may be used again: so it is ours by its command line alone."""

    def __init__(self, pid_file: Path, begins: Sequence[str]) -> None:
        """`begins` is how its command line begins, as no other one does. Nothing is started here."""
        self._pid_file = pid_file
        self._begins = b"".join(argument.encode() + b"\0" for argument in begins)

    def pid(self) -> int | None:
        """Give the process, if it is ours and lives."""
        pid = self._number()
        return pid if pid is not None and self._is_ours(pid) else None

    def search(self) -> int | None:
        """Find it among all processes: who started it may have died before the number was written down."""
        numbers = (int(path.name) for path in PROC.iterdir() if path.name.isdigit())
        return next((pid for pid in numbers if self._is_ours(pid)), None)

    def catch(self) -> int | None:
        """Find it just after its start, when it may still be the program that starts it; None if that takes five seconds."""
        _wait(lambda: self.search() is not None)
        return self.search()

    def write(self, pid: int) -> None:
        """Write the number down."""
        self._pid_file.write_text(f"{pid}\n", encoding="ascii")

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self) -> None:
        """Have it ended, and its sockets closed, also if it died of itself just now; it gets five seconds."""
        self.tell(signal.SIGTERM)
        _wait(self._is_gone)

    def _number(self) -> int | None:
        try:
            return int(self._pid_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def _is_gone(self) -> bool:
        pid = self._number()
        return pid is None or not (self._is_ours(pid) or _is_dying(pid))

    def _is_ours(self, pid: int) -> bool:
        try:
            return (PROC / str(pid) / "cmdline").read_bytes().startswith(self._begins)
        except OSError:  # it ended meanwhile
            return False


def _is_dying(pid: int) -> bool:
    """Whether a process is on its way out: it has no command line any more, but may still have its sockets (proc(5), stat)."""
    try:
        fields = (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] not in DEAD and bool(int(fields[6]) & EXITING)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + END_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
