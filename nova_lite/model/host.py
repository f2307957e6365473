"""A compute host as the control side knows it."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Mapping

from nova_lite.model.ids import HostName
from nova_lite.model.resources import Resources

_NONE: Mapping[str, frozenset[str]] = types.MappingProxyType({})
FAILURES_BORNE = 3  # so many builds in a row may fail before a host is set aside


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoveDoor:
    """Where a host gives disks to others: the port, and the SHA-256 of the certificate that it shows there."""

    port: int
    fingerprint: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What a host says of itself when it registers. Amounts are the machine's own, without allocation ratios."""

    hypervisor_type: str  # QEMU, KVM or fake, as the Compute API shows it
    hypervisor_version: int  # 7002022 for 7.2.22
    hypervisor_hostname: str
    architectures: tuple[str, ...]
    virt_modes: tuple[str, ...] = ("hvm",)
    cpu_info: str = "{}"  # JSON text
    total: Resources
    reserved: Resources = dataclasses.field(default_factory=Resources)
    host_ip: str = "127.0.0.1"
    zone: str = "nova"
    traits: tuple[str, ...] = ()  # what it can do, by the names of os-traits
    moves: MoveDoor | None = None  # None: nothing moves from here to other hosts
    short_of: str = ""  # what it has too little of to take new servers just now, in words; "": of nothing
    hardware: str = ""  # JSON text of what guests can be built of (model/hardware/host.py); "" from an earlier release


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """One look of a host at its guests. A greater number of the same incarnation is newer; without one nobody can tell."""

    incarnation: int
    number: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Host:
    """A host's record: its facts, its limits (after ratios), what is claimed, and whether it takes servers."""

    name: HostName
    uuid: str
    facts: HostFacts
    limit: Resources  # facts.total - facts.reserved, times the ratios
    used: Resources
    generation: int
    incarnation: int
    enabled: bool
    disabled_reason: str | None
    forced_down: bool
    up: bool  # a heartbeat came in time
    tombstones: int  # removals that it still owes; no new guests until 0
    running: int = 0  # servers that live there
    building: int = 0
    last_seen_age_s: float | None = None
    failed_in_row: int = 0  # builds that failed here and then worked elsewhere, since the last good one
    set_aside_s: float | None = None  # gets no new servers for so long, because too many failed; None: it is not set aside
    last_failure: str | None = None
    maintenance_since: float | None = None  # wall clock: it is being emptied for work on it, or is empty
    # keys of the metadata of its aggregates, sorted, each with all its values; read for choices only
    aggregate_metadata: tuple[tuple[str, frozenset[str]], ...] = ()

    @property
    def aggregate_values(self) -> Mapping[str, frozenset[str]]:
        """Give the values by key."""
        return _by_key(self.aggregate_metadata) if self.aggregate_metadata else _NONE

    @property
    def on_trial(self) -> bool:
        """Whether its time aside is over, and one build shall show whether it works again."""
        return self.failed_in_row >= FAILURES_BORNE and self.set_aside_s is None

    @property
    def why_aside(self) -> str | None:
        """Say why it gets no new servers and for how long; None when it is not set aside."""
        if self.set_aside_s is None:
            return None
        minutes = max(1, round(self.set_aside_s / 60))
        last = f"; last: {self.last_failure}" if self.last_failure else ""
        return f"{self.failed_in_row} builds in a row failed; set aside for {minutes} more min{last}"


@functools.lru_cache(maxsize=1024)
def _by_key(metadata: tuple[tuple[str, frozenset[str]], ...]) -> Mapping[str, frozenset[str]]:
    return types.MappingProxyType(dict(metadata))
