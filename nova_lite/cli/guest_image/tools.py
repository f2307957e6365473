"""Runs the programs that make file systems and disks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from nova_lite import errors

# tools live in sbin, which not every PATH has; mtools otherwise refuses odd geometries
ENVIRONMENT = {"MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


def run(*command: str, cwd: Path | None = None, given: bytes | None = None, timeout_s: float = 120) -> bytes:
    """Run a program and give what it prints.

    Raises: Unavailable when it is not installed, fails, or does not end in time.
    """
    environment = {**os.environ, **ENVIRONMENT, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    try:
        done = subprocess.run(
            command, cwd=cwd, input=given, env=environment, capture_output=True, timeout=timeout_s, check=True
        )
    except FileNotFoundError as error:
        raise errors.Unavailable(f"{command[0]} is not installed.") from error
    except subprocess.TimeoutExpired as error:
        raise errors.Unavailable(f"{command[0]} did not end within {timeout_s:.0f} s.") from error
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise errors.Unavailable(f"{command[0]} failed: {last[0]}") from error
    return done.stdout
