"""Users of a cloud that is in trouble: they boot, stop, start, reboot and delete, and know what each server must come to."""

from __future__ import annotations

import random
from typing import Any

ACTIVE, STOPPED, DELETED = "active", "stopped", "deleted"
OUTCOMES = {
    "os-stop": STOPPED,
    "os-start": ACTIVE,
    "reboot": ACTIVE,
}
ACTIONS: dict[str, Any] = {
    "os-stop": {"os-stop": None},
    "os-start": {"os-start": None},
    "reboot": {"reboot": {"type": "HARD"}},
}
STATUSES = {"ACTIVE": ACTIVE, "SHUTOFF": STOPPED}


class Traffic:
    """`wanted` says what each server must come to; `counts` how often each thing was accepted."""

    def __init__(self, cloud: Any, image: str, chance: random.Random) -> None:
        self._cloud = cloud
        self._image = image
        self._chance = chance
        self.wanted: dict[str, str] = {}
        self.unsure: set[str] = set()
        self.counts = dict.fromkeys(("boot", "delete", "delete_in_build", *ACTIONS), 0)

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

    def act(self) -> None:
        """Ask for a change of power that the state of some server allows just now."""
        settled = [one for one in self._cloud.servers().values() if one["status"] in STATUSES and one["id"] in self.living()]
        if not settled:
            return
        server = self._chance.choice(settled)
        name = "os-start" if server["status"] == "SHUTOFF" else self._chance.choice(("os-stop", "os-stop", "reboot"))
        taken = self._cloud.act(server["id"], ACTIONS[name])
        if taken:
            self.wanted[server["id"]] = OUTCOMES[name]
            self.counts[name] += 1
            self.unsure.discard(server["id"])
        elif taken is None:
            self.unsure.add(server["id"])

    def living(self) -> list[str]:
        return [server_id for server_id, wanted in self.wanted.items() if wanted != DELETED]

    def settled_as(self, state: str) -> set[str]:
        """Give the servers that must be in that state. Where an answer was lost, what the cloud says is taken for right."""
        shown = {server_id: STATUSES.get(one["status"]) for server_id, one in self._cloud.servers().items()}
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
            and one["status"] in STATUSES
            and (server_id in self.unsure or STATUSES[one["status"]] == self.wanted[server_id])
            for server_id, one in servers.items()
        )
