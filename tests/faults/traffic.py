"""Users of a cloud that is in trouble: they boot, stop, start, reboot and delete, and know what each server must come to."""

from __future__ import annotations

import random
from typing import Any

from faults import verbs
from faults.verbs import ACTIVE, DELETED


def _of(state: str | None) -> list[verbs.Verb]:
    """List the actions that servers in a state take."""
    return [verb for verb in verbs.VERBS if verb.action is not None and verb.of == state and not verb.keeps]


class Traffic:
    """`wanted` says what each server must come to; `counts` how often each thing was accepted."""

    def __init__(self, cloud: Any, image: str, chance: random.Random) -> None:
        self._cloud = cloud
        self._image = image
        self._chance = chance
        self.wanted: dict[str, str] = {}
        self.unsure: set[str] = set()
        self.counts = dict.fromkeys(("delete_in_build", *(verb.name for verb in verbs.VERBS)), 0)

    def boot(self) -> None:
        self.wanted[self._cloud.boot(f"t{len(self.wanted)}", self._image)] = ACTIVE
        self.counts["boot"] += 1

    def delete(self) -> None:
        """Delete one, whatever is done to it at that moment: half of the time the newest, which is being built."""
        living = self.living()
        victim = living[-1] if self._chance.random() < 0.5 else self._chance.choice(living)
        building = self._cloud.servers().get(victim, {}).get("status") == "BUILD"
        self._cloud.delete(victim)
        self.wanted[victim] = DELETED
        self.counts["delete"] += 1
        self.counts["delete_in_build"] += building

    def act(self, name: str | None = None) -> None:
        """Ask for an action, or the one of that name, that the state of some server allows just now.

        One that leads elsewhere is twice as likely.
        """
        states = {server_id: verbs.state_of(one["status"]) for server_id, one in self._cloud.servers().items()}
        possible = {
            one: choices
            for one in self.living()
            if (choices := [verb for verb in _of(states.get(one)) if name in (None, verb.name)])
        }
        if not possible:
            return
        server_id = self._chance.choice(list(possible))
        choices = possible[server_id]
        (verb,) = self._chance.choices(choices, weights=[2 if one.to != one.of else 1 for one in choices])
        taken = self._cloud.act(server_id, verb.action)
        if taken:
            self.wanted[server_id] = verb.to
            self.counts[verb.name] += 1
            self.unsure.discard(server_id)
        elif taken is None:
            self.unsure.add(server_id)

    def living(self) -> list[str]:
        return [server_id for server_id, wanted in self.wanted.items() if wanted != DELETED]

    def settled_as(self, state: str) -> set[str]:
        """Give the servers that must be in that state. Where an answer was lost, what the cloud says is taken for right."""
        shown = {server_id: verbs.state_of(one["status"]) for server_id, one in self._cloud.servers().items()}
        return {
            server_id
            for server_id, wanted in self.wanted.items()
            if (shown.get(server_id) if server_id in self.unsure and wanted != DELETED else wanted) == state
        }

    def is_settled(self) -> bool:
        """Whether everything asked for is so, and nothing is in hand any more."""
        servers = self._cloud.servers()
        if set(servers) != set(self.living()):
            return False
        return all(
            one["OS-EXT-STS:task_state"] is None
            and (state := verbs.state_of(one["status"])) is not None
            and (server_id in self.unsure or state == self.wanted[server_id])
            for server_id, one in servers.items()
        )
