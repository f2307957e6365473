"""The system's own tools, called with lists, a time limit and nothing inherited on standard input."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from nova_lite.compute.wiring.port import WiringError

LIMIT_S = 10.0
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def run(arguments: Sequence[str], text: str | None = None) -> str:
    """Run a tool and give what it printed. Raises: WiringError when it fails, is missing or takes over 10 seconds."""
    try:
        done = subprocess.run(
            list(arguments),
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env={"PATH": PATH, "LANG": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WiringError(f"{arguments[0]} could not be run or did not end in time.") from error
    if done.returncode:
        words = (done.stderr.strip() or "no reason given").splitlines()[0]
        raise WiringError(f"{arguments[0]} failed: {words}")
    return done.stdout


def start(arguments: Sequence[str]) -> None:
    """Run a tool that leaves a process behind, which so has none of our pipes in its hands. Raises: WiringError as `run`."""
    try:
        done = subprocess.run(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            timeout=LIMIT_S,
            check=False,
            env={"PATH": PATH, "LANG": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WiringError(f"{arguments[0]} could not be run or did not end in time.") from error
    if done.returncode:
        raise WiringError(f"{arguments[0]} failed.")


def succeeds(arguments: Sequence[str]) -> bool:
    """Whether a tool ends without failure; for removals, where nothing to remove is success."""
    try:
        run(arguments)
    except WiringError:
        return False
    return True
