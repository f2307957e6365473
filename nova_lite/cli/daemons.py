"""The daemons of this machine, and who keeps them running: systemd where it is PID 1, else a supervisor of our own."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

SYSTEMD_RUNS = Path("/run/systemd/system")
# Started in this order and stopped in the reverse one: what answers users comes last and goes first.
ORDER = ("conductor", "scheduler", "compute", "console", "api")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """One process to be kept running. `name` is unique on this machine; `kind` is the daemon it is."""

    name: str
    kind: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Running:
    """How a program fares. `since_s` is how long it has been in this state."""

    name: str
    state: str  # running, starting, stopped, failed
    pid: int | None
    since_s: float | None
    detail: str = ""


class Keeper(Protocol):
    """Who keeps programs running."""

    def start(self, programs: Sequence[Program]) -> bool:
        """Have exactly these programs running; those that run unchanged are left alone. Give whether one was started."""

    def stop(self) -> int:
        """Stop all programs in order and stop keeping; give how many ran. May be repeated."""

    def list_running(self) -> tuple[Running, ...]:
        """Say how each program fares; nothing when nothing is kept."""

    def log_of(self, name: str) -> list[str]:
        """Give the last lines that a program wrote, for an operator whom it failed."""


def program(
    kind: str, files: Sequence[Path], *, name: str | None = None, join_files: Sequence[Path] = (), **environment: str
) -> Program:
    """Describe one of our daemons.

    files: the configuration to give it instead of the default one
    join_files: for compute, the hosts that it is
    """
    executable = Path(sys.prefix) / "bin" / f"nova-lite-{kind}"
    arguments = [part for path in files for part in ("--config-file", str(path.resolve()))]
    arguments += [part for path in join_files for part in ("--join", str(path))]
    return Program(
        name=name or f"nova-lite-{kind}",
        kind=kind,
        command=(str(executable), *arguments),
        environment=tuple(sorted({"PYTHONWARNINGS": "ignore", **environment}.items())),
    )


def systemd_runs() -> bool:
    """Whether systemd is this machine's PID 1."""
    return SYSTEMD_RUNS.is_dir()
