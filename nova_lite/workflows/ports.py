"""What steps may reach: made once in the conductor's main(), replaced by fakes in tests."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from nova_lite.conf.moves import MoveOptions
from nova_lite.db.engine import Database
from nova_lite.image.port import ImagePort, ImportPort
from nova_lite.model.ids import HostName, ServerId
from nova_lite.network.port import NetworkPort
from nova_lite.rpc.compute import ComputePort
from nova_lite.rpc.scheduler import SchedulerPort


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostStanding:
    """How a host stands at this moment. `lost`: silent for so long that waiting for it is given up, or dead."""

    incarnation: int
    up: bool
    lost: bool
    dead: bool = False  # by proof (inventory/death.py): nothing runs there any more


class HostsPort(Protocol):
    """What steps need to know of hosts, and the one thing they leave there."""

    def look(self, host: HostName) -> HostStanding | None:
        """Read how a host stands now; None for one that was removed."""

    def heard_for_s(self) -> float:
        """Give for how many seconds hosts could have been heard: 0 while the broker is away, infinite before an outage."""

    def has_failed(self, host: HostName) -> bool:
        """Whether builds failed there since the last good one; may be some seconds old."""

    def owe_removal(self, host: HostName, server_id: ServerId, *, fence: int, turn: int) -> None:
        """Leave a tombstone that the host obeys when it returns. May be repeated."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """The world as steps see it."""

    database: Database
    scheduler: SchedulerPort
    compute: ComputePort
    network: NetworkPort
    images: ImagePort
    imports: ImportPort
    hosts: HostsPort
    shelved_offload_s: int = 0  # how long shelved servers stay on their hosts (conf/shelving.py)
    moves: MoveOptions = dataclasses.field(default_factory=MoveOptions)
