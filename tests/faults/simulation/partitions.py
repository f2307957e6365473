"""Hosts that are cut off, lose their power and come back, in any order, while servers are evacuated off dead ones.

The operator's proof is true here: a host is forced down only while its power is off. Whatever else happens, no server may
ever have two running guests, on hosts that nobody can reach either.
"""

from __future__ import annotations

import json
from collections import Counter

from faults.simulation.workload import CONTEXT, seeded
from faults.simulation.world import HOSTS, Shelf, World

from nova_lite import errors
from nova_lite.inventory import hosts
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import HostName, ServerId
from nova_lite.servers import records
from nova_lite.workflows import evacuate, power

EVENTS = 10
NEVER = float("inf")
PAUSES_S = (0.5, 5.0, 30.0, 130.0)  # the last is longer than what makes a host count as lost


class Partitions:
    """Plays what happens to hosts, and looks at every guest after each moment."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.evacuated = 0

    def play(self, seed: int) -> None:
        """Play one life. Raises: AssertionError when a server has two running guests, or all never comes to rest."""
        with seeded(seed):
            world = self._shelf.take("active", seed)
            try:
                world.rest()
                self._live(world)
                self._end(world)
            finally:
                world.close()

    def _live(self, world: World) -> None:
        off: set[str] = set()
        events = (
            *(self._cut, self._heal, self._power_off, self._power_on, self._force_down, self._evacuate, self._reboot),
            *(self._disaster, self._disaster, self._power_on, self._heal),
        )
        for _ in range(EVENTS):
            world.chance.choice(events)(world, world.chance.choice(HOSTS), off)
            self._pass(world, world.chance.choice(PAUSES_S))

    def _pass(self, world: World, seconds: float) -> None:
        until = world.clock.now + seconds
        while world.clock.now < until:
            world.step()
            self._look(world)

    def _look(self, world: World) -> None:
        running: Counter[str] = Counter()
        for name in HOSTS:
            guests = json.loads((world.folder / name / "hypervisor.json").read_text())["guests"]
            running.update(one for one, guest in guests.items() if guest["power_state"] == PowerState.RUNNING)
        twice = [one for one, number in running.items() if number > 1]
        assert not twice, f"{twice} run twice: {world.story}"

    def _end(self, world: World) -> None:
        """Give everything back its power and its network; then all must come to rest, with one guest each."""
        world.broker.cut.clear()
        for name in HOSTS:
            world.turn_on(name)
            world.database.transact(lambda tx, name=name: hosts.set_forced_down(tx, HostName(name), forced_down=False))
        world.settle()
        self._pass(world, 60.0)
        world.rest()
        self._look(world)
        with world.database.read() as tx:
            for name in HOSTS:
                here = {guest.server_id for guest in world.up[name].hypervisor.list_guests()}
                assert all(records.get(tx, one).host == name for one in here), world.story
                assert hosts.list_owed(tx, HostName(name)) == ()

    # -- what happens --------------------------------------------------------------------------------------------------

    def _cut(self, world: World, name: str, off: set[str]) -> None:
        world.broker.cut.add(name)

    def _heal(self, world: World, name: str, off: set[str]) -> None:
        world.broker.cut.discard(name)

    def _power_off(self, world: World, name: str, off: set[str]) -> None:
        if name not in off:
            off.add(name)
            world.turn_off(name)

    def _power_on(self, world: World, name: str, off: set[str]) -> None:
        """An operator who knows that a host has its power again first takes the proof back."""
        if name in off:
            off.discard(name)
            world.database.transact(lambda tx: hosts.set_forced_down(tx, HostName(name), forced_down=False))
            world.turn_on(name)

    def _force_down(self, world: World, name: str, off: set[str]) -> None:
        if name in off:
            world.database.transact(lambda tx: hosts.set_forced_down(tx, HostName(name), forced_down=True))

    def _evacuate(self, world: World, name: str, off: set[str]) -> None:
        """Ask for it whether or not anything proves that the host is dead."""
        for server_id in self._servers_on(world, name):
            try:
                world.ask(lambda desk, one=server_id: evacuate.accept(desk, CONTEXT, one, evacuate.Evacuation()))
                self.evacuated += 1
            except (errors.Conflict, errors.BadRequest):
                assert name not in off or not self._is_forced(world, name) or self._is_busy(world, server_id)

    def _disaster(self, world: World, name: str, off: set[str]) -> None:
        """Take a host's power, say so, and evacuate: what an operator does, now and then too early or on the wrong host."""
        self._power_off(world, name, off)
        self._force_down(world, name, off)
        self._evacuate(world, world.chance.choice((name, name, *HOSTS)), off)

    def _reboot(self, world: World, name: str, off: set[str]) -> None:
        for server_id in self._servers_on(world, name):
            try:
                world.ask(lambda desk, one=server_id: power.accept_reboot(desk, CONTEXT, one, hard=True))
            except errors.Conflict:
                continue

    def _servers_on(self, world: World, name: str) -> list[ServerId]:
        with world.database.read() as tx:
            return [ServerId(row["id"]) for row in hosts.queries.servers_on(tx, HostName(name))]

    def _is_forced(self, world: World, name: str) -> bool:
        with world.database.read() as tx:
            return hosts.get_host(tx, HostName(name)).forced_down

    def _is_busy(self, world: World, server_id: ServerId) -> bool:
        with world.database.read() as tx:
            server = records.get(tx, server_id)
        return server.live is not None or server.state not in ("active", "stopped", "error")
