"""A request for a host, the ranking that answers it, and why each other host fell out."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from nova_lite.model.hardware.guest import PLAIN, GuestHardware
from nova_lite.model.ids import HostName
from nova_lite.model.resources import Resources
from nova_lite.model.server_group import GroupRule


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hints:
    """What a create request said of the host, as it was understood; servers by their ids."""

    group_id: str | None = None
    same_host: tuple[str, ...] = ()
    different_host: tuple[str, ...] = ()
    near: str | None = None  # a network in CIDR form: the host's own address is to be in it
    query: str | None = None  # JSON text (model/host_query.py)

    @property
    def name_servers(self) -> bool:
        """Whether they speak of other servers, so that somebody must look up where those live."""
        return bool(self.group_id or self.same_host or self.different_host)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Where the servers live that the hints speak of, read just before the choice."""

    group: GroupRule | None = None
    same: tuple[HostName, ...] = ()
    different: tuple[HostName, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlacementRequest:
    """What one server needs of a host. `avoid` are hosts already tried in vain."""

    server_id: str
    project_id: str
    asked: Resources
    zone: str | None = None
    host: HostName | None = None
    avoid: tuple[HostName, ...] = ()
    leaves: HostName | None = None  # the host that a server moves away from
    image_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    count: int = 1
    flavor_name: str = ""
    hardware: GuestHardware = PLAIN
    hints: Hints = dataclasses.field(default_factory=Hints)
    neighbours: Neighbours = dataclasses.field(default_factory=Neighbours)


class Effort(enum.IntEnum):
    """What a remedy asks of an operator; the least is the cheapest."""

    WAIT = 1  # it will be over by itself
    COMMAND = 2  # one command
    ROOM = 3  # servers must go, or move
    MEND = 4  # something is broken
    CHANGE = 5  # no host as it is can do it: another request, or another host


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why one host fell out. `lacks` names the resource when an amount was missing."""

    host: HostName
    reason: str  # a few words that follow "1 host": "lacks memory", "is disabled"
    plural: str  # the same after "3": "lack memory", "are disabled"
    filter: str
    lacks: str | None = None
    asked: int | None = None
    free: int | None = None
    unit: str = ""
    passing: bool = False  # it may be over in a moment: a host silent since a short while, or cleaning up
    detail: str = ""  # for the operator, where the reason says little
    remedy: str = ""  # for the operator: what would make the host pass this rule
    effort: Effort = Effort.MEND
    limit: int | None = None  # of the resource that is lacking: the host can never offer more


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the rules say of one host. It fits when none refuses it; `weights` add up to its score then.

    `alike` is how many hosts this stands for: those that no rule could tell from each other.
    """

    host: HostName
    refusals: tuple[Refusal, ...] = ()
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    free: Resources = dataclasses.field(default_factory=Resources)
    alike: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReasonCount:
    """How many hosts a reason refuses, the most that one of them has free, and some of them."""

    filter: str
    reason: str
    hosts: int
    asked: int | None = None
    most_free: int | None = None
    unit: str = ""
    examples: tuple[HostName, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why hosts were chosen or refused, bounded in size. `filters` are all that were asked, in order.

    `verdicts`: those that fit first, best first; of many hosts some. `reasons` count every refusal of every host: one
    that two rules refuse counts in both. `remedies` are for a request that nothing fits, the cheapest first.
    """

    asked: Resources
    filters: tuple[str, ...] = ()
    hosts_seen: int = 0
    fitting: int = 0
    verdicts: tuple[Verdict, ...] = ()
    reasons: tuple[ReasonCount, ...] = ()
    remedies: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranking:
    """Hosts that fit, best first; and the refusals of the rest. `hosts_seen` counts all that were looked at."""

    hosts: tuple[HostName, ...]
    refusals: tuple[Refusal, ...]
    hosts_seen: int
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)  # reason -> hosts
    sentence: str = ""  # the fault a user reads when no host fits
    passing: bool = False  # a refusal is: asking again in some seconds is worth while
    on_trial: tuple[HostName, ...] = ()  # those of `hosts` that may have one build, to show whether they work again
    explanation: Explanation | None = None  # for the operator; None from an older scheduler
