"""Who writes an upload into a store without locks: a sign of life names the process, and whoever finds it looks for that."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SILENT_S = 1800.0
RENEW_S = 60.0  # the sign is written again while bytes come, however slow


def this_process() -> dict[str, Any]:
    """Name this process so that another one of the machine can tell whether it is there still."""
    return {"boot": _boot_id(), "pids": os.readlink("/proc/self/ns/pid"), "pid": os.getpid(), "start": _start_of(os.getpid())}


def lives(writer: Mapping[str, Any], silent_s: float) -> bool:
    """Whether a process is there, of this machine; of another one, whether it has not been silent for too long."""
    here = this_process()
    if writer.get("boot") == here["boot"] and writer.get("pids") == here["pids"]:
        return _start_of(int(writer.get("pid", 0))) == writer.get("start")
    return silent_s < SILENT_S


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _start_of(pid: int) -> str | None:
    """Give when a process of this machine was started, in the kernel's words; None when it is not there, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[19]
