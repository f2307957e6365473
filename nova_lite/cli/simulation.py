"""Simulated hosts: real compute daemons on a hypervisor that is a file, in the zone `simulated`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nova_lite.cli import joining
from nova_lite.cli.daemons import Program, program
from nova_lite.cli.installation import Installation

ZONE = "simulated"
PREFIX = "sim-"
ONE_PROCESS = "nova-lite-simulated"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How many hosts to simulate, and whether each is a process of its own."""

    count: int = 0
    processes: bool = False


def prepare(installation: Installation, plan: Plan, *, broker_knows_them: bool) -> list[Program]:
    """Add the hosts and describe their processes. May be repeated; more or fewer hosts may be asked the next time."""
    names = [f"{PREFIX}{number:04d}" for number in range(1, plan.count + 1)]
    paths = joining.add_hosts(installation, names, ZONE, broker_knows_them=broker_knows_them) if names else []
    if plan.processes:
        return [_program(installation, f"nova-lite-{name}", [path]) for name, path in zip(names, paths, strict=True)]
    return [_program(installation, ONE_PROCESS, paths)] if paths else []


def _program(installation: Installation, name: str, join_files: list[Path]) -> Program:
    simulated = {"OS_COMPUTE__DRIVER": "fake", "OS_DEFAULT__HEALTH_PORT": "0", "OS_CONSOLE__HOST_PORT": "0"}
    return program("compute", installation.files, name=name, join_files=join_files, **simulated)
