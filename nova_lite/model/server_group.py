"""Server groups: servers that shall share a host, or shall not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

AFFINITY = "affinity"
ANTI_AFFINITY = "anti-affinity"
SOFT_AFFINITY = "soft-affinity"
SOFT_ANTI_AFFINITY = "soft-anti-affinity"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerGroup:
    """A group with its members' ids, oldest first. `max_per_host` is a rule of anti-affinity only; None: not given."""

    id: str
    project_id: str
    user_id: str
    name: str
    policy: str
    max_per_host: int | None = None
    members: tuple[str, ...] = ()
    created_at: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupRule:
    """What a group asks of the next host: its policy, and how many other members hold room on each host."""

    policy: str
    max_per_host: int = 1
    members: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def gathers(self) -> bool:
        """Whether members are to be together."""
        return self.policy in (AFFINITY, SOFT_AFFINITY)

    def allows(self, host: str) -> bool:
        """Whether one more member may go to a host. Soft policies forbid nothing."""
        if self.policy == ANTI_AFFINITY:
            return self.members.get(host, 0) < self.max_per_host
        if self.policy == AFFINITY:
            return not self.members or host in self.members
        return True

    def with_one_on(self, host: str) -> GroupRule:
        """Give the rule for the member after the one that went to a host."""
        return dataclasses.replace(self, members={**self.members, host: self.members.get(host, 0) + 1})
