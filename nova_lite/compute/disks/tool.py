"""Runs the programs that make disks: bounded in time, ended when the work is stopped, quiet towards users."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from nova_lite.image.client import Stopped

LOG = logging.getLogger(__name__)
LOOK_S = 0.1
FULL_SAID = "The host's disk is full."
FULL_CODE = "insufficient_storage"
FULL = (errno.ENOSPC, errno.EDQUOT)
LEAST_BYTES = 4 * 1024**2  # with less free than that, a program that failed to make a disk failed of it


class DiskError(Exception):
    """A disk could not be made. `host_at_fault` says that another host may well succeed."""

    def __init__(self, message: str, *, code: str = "disk", host_at_fault: bool = True) -> None:
        """`message` is a sentence for the server's owner."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.host_at_fault = host_at_fault


def run(command: list[str], *, timeout_s: float, stop: threading.Event) -> None:
    """Run a program. Raises: DiskError when it fails or takes too long; Stopped."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except OSError as error:
        raise DiskError(f"The host lacks the program {command[0]}.") from error
    until = time.monotonic() + timeout_s
    try:
        said = _wait(process, until, stop)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        LOG.warning("A program failed.", extra={"action": command[0], "code": process.returncode, "said": said[-500:]})
        raise DiskError("The host could not make a disk.")


def _wait(process: subprocess.Popen[bytes], until: float, stop: threading.Event) -> str:
    while True:
        try:
            _, said = process.communicate(timeout=LOOK_S)
            return said.decode("utf-8", errors="replace")
        except subprocess.TimeoutExpired:
            if stop.is_set():
                raise Stopped from None
            if time.monotonic() > until:
                raise DiskError("The host took too long to make a disk.") from None


@contextlib.contextmanager
def saying_when_full(folder: Path) -> Iterator[None]:
    """Tell a disk that is full from what else goes wrong while files are made in a folder. Raises: DiskError that says so."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskError(FULL_SAID, code=FULL_CODE) from error
    except DiskError as error:
        if free_bytes(folder) >= LEAST_BYTES:
            raise
        raise DiskError(FULL_SAID, code=FULL_CODE) from error


def free_bytes(folder: Path) -> int:
    """Give what of a folder's file system is free for guests."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
