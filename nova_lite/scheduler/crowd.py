"""Hosts in groups of those that are alike: choosing looks once at each group, not at each of ten thousand hosts.

Alike are hosts that agree in every field a rule may look at. A rule may compare a host's name only with names that the
request has: so hosts that a request names stand alone, and the rest of their group stays together.
"""

from __future__ import annotations

import dataclasses
import operator
import typing
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Any

from nova_lite.model.host import Host, HostFacts
from nova_lite.model.ids import HostName
from nova_lite.model.placement import PlacementRequest
from nova_lite.model.resources import Resources

# What tells one host from another and is no reason for a choice. A field that is not named here splits groups.
OWN = frozenset({"name", "uuid", "generation", "incarnation", "facts", "last_seen_age_s"})
OWN_FACTS = frozenset({"hypervisor_hostname", "host_ip", "moves"})
# Fields of a request whose rules are known to keep to that. With any other in use, each host is looked at by itself.
UNDERSTOOD = frozenset(
    {
        "server_id",
        "project_id",
        "asked",
        "zone",
        "host",
        "avoid",
        "image_properties",
        "extra_specs",
        "count",
        "flavor_name",
        "hardware",
    }
)


class Group:
    """Hosts that are alike: one to look at, and the names of all.

    `known` is for what follows from the host and a shape of request alone: rules are asked once for each.
    """

    __slots__ = ("host", "known", "names")

    def __init__(self, host: Host, names: tuple[HostName, ...]) -> None:
        """Nothing is known yet."""
        self.host = host
        self.names = names
        self.known: dict[int, Any] = {}


class Crowd:
    """Hosts by name and by likeness. Not for several threads at once."""

    def __init__(self, hosts: Iterable[Host] = ()) -> None:
        """Begin with some hosts."""
        self._likeness: dict[HostName, int] = {}
        self._groups: dict[int, dict[HostName, Host]] = {}
        self._made: dict[int, Group] = {}
        self._numbers: dict[Hashable, int] = {}  # of likenesses and shapes: a number is hashed a thousand times faster
        self.refused: dict[int, Any] = {}  # by shape: what was told last of those that do not fit
        self._facts: dict[int, tuple[object, Hashable]] = {}
        for host in hosts:
            self.put(host)

    def put(self, host: Host) -> None:
        """Add a host, or replace the one of its name."""
        before, now = self._likeness.get(host.name), self._number(self._likeness_of(host))
        if before is not None and before != now:
            del self._groups[before][host.name]
            self._tell(before)
        self._likeness[host.name] = now
        self._groups.setdefault(now, {})[host.name] = host
        self._tell(now)

    def find(self, name: HostName) -> Host | None:
        """Give the host of a name, or None."""
        likeness = self._likeness.get(name)
        return None if likeness is None else self._groups[likeness][name]

    def hosts(self) -> tuple[Host, ...]:
        """Give all hosts, in the order in which they were first put."""
        return tuple(self._groups[likeness][name] for name, likeness in self._likeness.items())

    def groups(self, request: PlacementRequest) -> list[Group]:
        """Give the groups as the rules can tell them apart for a request."""
        if not _is_understood(request):
            return [Group(host, (host.name,)) for host in self.hosts()]
        apart = {HostName(name) for name in (request.host, *request.avoid) if name in self._likeness}
        found = [self._made.get(likeness) or self._make(likeness) for likeness in self._groups]
        if not apart:
            return found
        alone = [Group(host, (name,)) for name in sorted(apart) if (host := self.find(name)) is not None]
        return [*alone, *(rest for group in found if (rest := self._without(group, apart)) is not None)]

    def shape_of(self, request: PlacementRequest) -> int:
        """Number what rules may look at in a request: requests of one shape get the same answers of the same host."""
        return self._number(tuple(_fixed(value) for name, value in vars(request).items() if name not in ("server_id", "count")))

    def _number(self, key: tuple[Any, ...]) -> int:
        try:
            return self._numbers.setdefault(key, len(self._numbers))
        except TypeError:
            return self._numbers.setdefault(tuple(map(_fixed, key)), len(self._numbers))

    def _tell(self, likeness: int) -> None:
        """Have a group that was made know its members. What is known of it stays while the host that was looked at does."""
        members, group = self._groups[likeness], self._made.get(likeness)
        if not members:
            del self._groups[likeness]
        if group is not None and group.host.name in members:
            group.names = tuple(members)
        elif group is not None:
            del self._made[likeness]

    def _make(self, likeness: int) -> Group:
        members = self._groups[likeness]
        group = self._made[likeness] = Group(next(iter(members.values())), tuple(members))
        return group

    def _without(self, group: Group, apart: Collection[HostName]) -> Group | None:
        names = tuple(name for name in group.names if name not in apart)
        if len(names) == len(group.names):
            return group
        host = self.find(names[0]) if names else None
        return None if host is None else Group(host, names)

    def _likeness_of(self, host: Host) -> tuple[Hashable, ...]:
        silence = None if host.up else host.last_seen_age_s
        return self._likeness_of_facts(host), silence, _LOOK_OF_HOST(host)

    def _likeness_of_facts(self, host: Host) -> Hashable:
        """Facts are what is largest and changes least: hosts that share the object, or are put again, are looked at once."""
        known = self._facts.get(id(host.facts))
        if known is None:
            known = self._facts[id(host.facts)] = (host.facts, self._number(_LOOK_OF_FACTS(host.facts)))
        return known[1]


def _look(kind: type, own: Collection[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Give what reads all fields of a dataclass but `own`; amounts one by one, which are hashed sooner than as a whole."""
    amounts = [field.name for field in dataclasses.fields(Resources)]
    hints = typing.get_type_hints(kind)
    paths: list[str] = []
    for name in (field.name for field in dataclasses.fields(kind) if field.name not in own):
        paths += [f"{name}.{amount}" for amount in amounts] if hints[name] is Resources else [name]
    return operator.attrgetter(*paths)


def _is_understood(request: PlacementRequest) -> bool:
    return all(name in UNDERSTOOD or value is None or value == _DEFAULTS[name] for name, value in vars(request).items())


def _fixed(value: Any) -> Hashable:
    """Give something equal for equal values that can be a key."""
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value  # type: ignore[no-any-return]


_DEFAULTS = vars(PlacementRequest(server_id="", project_id="", asked=Resources()))
_LOOK_OF_HOST = _look(Host, OWN)
_LOOK_OF_FACTS = _look(HostFacts, OWN_FACTS)
