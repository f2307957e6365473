"""Emptying a host: its servers move away by the workflows that users and operators call, a few at a time.

Nothing is kept here but what one `Drain` has tried: whoever makes another one for the same host goes on where it was left.
Running servers move live, stopped ones cold; what cannot move is told with the reason, and left alone.
"""

from __future__ import annotations

import dataclasses
import enum

from nova_lite import errors
from nova_lite.context import Context, new_request_id
from nova_lite.db import hosts as queries
from nova_lite.db.engine import Tx
from nova_lite.db.moves import MigrationFilter
from nova_lite.durable import journal
from nova_lite.inventory import death, hosts
from nova_lite.model.hardware import reading
from nova_lite.model.host import Host
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.migration import DRAIN, Migration
from nova_lite.model.placement import PlacementRequest
from nova_lite.model.server import Server, ServerState
from nova_lite.servers import groups, moves, records, rules
from nova_lite.workflows import live_migrate, resize, resized
from nova_lite.workflows.desk import SERVER, Desk

AT_ONCE = 2  # moves of one host side by side
MOVES = ("live_migrate", "migrate", "confirm_resize")
LIVE, COLD = "os-migrateLive", "migrate"  # as servers/rules.py names them
# Why a server in such a state stays, and what would help.
IMMOVABLE = {
    ServerState.BUILDING: "it was never built to its end: delete it",
    ServerState.SUSPENDED: "it is suspended, with its memory on this host: resume it, or stop it",
    ServerState.RESCUED: "it is rescued, on a disk of this host: unrescue it",
    ServerState.RESIZED: "its resize waits for its owner: confirm or revert it",
    ServerState.SHELVED: "it is shelved, with its disk on this host: offload or unshelve it",
    ServerState.SOFT_DELETED: "it is deleted and kept for a while: restore it, or delete it for good",
    ServerState.ERROR: "it is in error: mend it, or delete it",
}


class How(enum.StrEnum):
    """What becomes of a server of the host."""

    LIVE = "live"
    COLD = "cold"
    MOVES = "moves"
    WAITS = "waits"  # another operation changes it just now
    STAYS = "stays"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guest:
    """A server that has something on the host. `why`: it stays or waits because of that; `percent`: of a move's bytes."""

    server: Server
    how: How
    why: str = ""
    percent: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
    """How far it is. `moved`: servers that this drain has moved, and where they are now."""

    guests: tuple[Guest, ...]
    moved: dict[ServerId, HostName | None] = dataclasses.field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing more can happen by itself."""
        return all(guest.how is How.STAYS for guest in self.guests)


def look(tx: Tx, name: HostName) -> tuple[Guest, ...]:
    """Say of each server that has something on a host what can be done with it, oldest first. Raises: NotFound."""
    host = hosts.get_host(tx, name)
    found = [records.get(tx, one) for one in queries.servers_holding(tx, name)]
    under_way = {one.server_id: one for one in reversed(moves.list_migrations(tx, MigrationFilter(source=name)))}
    guests = [_judge(host, server, under_way.get(server.id)) for server in found]
    return tuple(sorted(guests, key=lambda guest: (guest.server.created_at, guest.server.id)))


def _judge(host: Host, server: Server, move: Migration | None) -> Guest:
    if server.live is not None:
        if server.live.workflow in MOVES:
            return Guest(server=server, how=How.MOVES, percent=_percent(move))
        return Guest(server=server, how=How.WAITS, why=f"its {server.live.workflow} is under way")
    if server.state is ServerState.RESIZED and move is not None and move.user_id == DRAIN:
        return Guest(server=server, how=How.MOVES, percent=100)
    if server.state is ServerState.RESIZED and server.host != host.name:
        return Guest(
            server=server, how=How.STAYS, why="its disk is set aside here until its owner confirms or reverts a resize"
        )
    if server.state in IMMOVABLE:
        return Guest(server=server, how=How.STAYS, why=IMMOVABLE[server.state])
    if death.is_proven(host):
        return Guest(server=server, how=How.STAYS, why="the host is dead: evacuate it")
    if not host.up:
        return Guest(server=server, how=How.STAYS, why="the host is down: start nova-lite-compute there")
    return Guest(server=server, how=How.LIVE if server.state in rules.ALLOWED[LIVE] else How.COLD)


def _percent(move: Migration | None) -> int | None:
    """Say how much of a move's bytes have gone; None while nobody knows how many there are."""
    if move is None:
        return None
    total = move.progress.memory_total + move.progress.disk_total
    done = move.progress.memory_processed + move.progress.disk_processed
    return min(100, 100 * done // total) if total else None


def placement_of(tx: Tx, server: Server) -> PlacementRequest:
    """Say what a server needs of its next host, as its move will."""
    hints = resize.hints_of(tx, server)
    request = PlacementRequest(
        server_id=server.id,
        project_id=server.project_id,
        asked=reading.needs(server.flavor, server.image_properties),
        hardware=reading.understood(server.flavor, server.image_properties),
        zone=server.requested_zone,
        leaves=server.host,
        image_properties=server.image_properties,
        extra_specs=server.flavor.extra_specs,
        flavor_name=server.flavor.name,
        hints=hints,
    )
    if not hints.name_servers:
        return request
    near = groups.neighbours(tx, hints, server_id=server.id, project_id=server.project_id)
    return dataclasses.replace(request, neighbours=near)


class Drain:
    """Moves servers off one host. `advance` is one look; between two of them anybody may do anything."""

    def __init__(self, desk: Desk, host: HostName, *, at_once: int = AT_ONCE, cold: bool = False) -> None:
        """`cold`: a running server that cannot move live is moved turned off."""
        self._desk, self._host, self._at_once, self._cold = desk, host, at_once, cold
        self._context = Context(request_id=new_request_id(), user_id=DRAIN, roles=frozenset({"admin"}))
        self._tried: dict[ServerId, How] = {}

    def begin(self, reason: str | None = None) -> None:
        """Let the host take no new servers. May be repeated. Raises: NotFound."""
        self._desk.database.transact(lambda tx: hosts.begin_maintenance(tx, self._host, reason))

    def advance(self) -> Standing:
        """Begin what may begin now, confirm what has moved cold, and say how all stands. Raises: NotFound."""
        guests = self._look()
        free = self._at_once - sum(guest.how is How.MOVES for guest in guests)
        for guest in guests:
            if guest.how is How.MOVES and guest.server.state is ServerState.RESIZED and guest.server.live is None:
                self._confirm(guest.server)
            elif guest.how in (How.LIVE, How.COLD) and free > 0:
                free -= self._move(guest)
        return Standing(guests=self._look(), moved=self._moved())

    def _look(self) -> tuple[Guest, ...]:
        with self._desk.database.read() as tx:
            return tuple(self._with_own_tries(tx, guest) for guest in look(tx, self._host))

    def _with_own_tries(self, tx: Tx, guest: Guest) -> Guest:
        """Take back what was tried in vain: another way, or none."""
        tried = self._tried.get(guest.server.id)
        if guest.how not in (How.LIVE, How.COLD) or tried is None:
            return guest
        if self._cold and tried is How.LIVE and guest.server.state in rules.ALLOWED[COLD]:
            return dataclasses.replace(guest, how=How.COLD)
        return dataclasses.replace(guest, how=How.STAYS, why=self._why_failed(tx, guest.server.id))

    def _why_failed(self, tx: Tx, server_id: ServerId) -> str:
        for one in journal.history(tx, SERVER, server_id):
            if one.request_id == self._context.request_id and one.workflow in MOVES:
                return one.message or f"its move ended as {one.outcome}"
        return "it could not be moved"

    def _move(self, guest: Guest) -> bool:
        """Begin a move; somebody else's operation may have been first."""
        server_id = guest.server.id
        begin = live_migrate.accept if guest.how is How.LIVE else resize.accept_migrate
        try:
            begin(self._desk, self._context, server_id)
        except (errors.Conflict, errors.NotFound):
            return False  # seen at the next look
        self._tried[server_id] = guest.how
        return True

    def _confirm(self, server: Server) -> None:
        try:
            resized.accept_confirm(self._desk, self._context, server.id)
        except (errors.Conflict, errors.NotFound):
            return  # a conductor was first

    def _moved(self) -> dict[ServerId, HostName | None]:
        moved: dict[ServerId, HostName | None] = {}
        with self._desk.database.read() as tx:
            for server_id in self._tried:
                try:
                    server = records.get(tx, server_id)
                except errors.NotFound:
                    continue  # deleted meanwhile
                if server.host != self._host and server.live is None and server.state is not ServerState.RESIZED:
                    moved[server_id] = server.host
        return moved
