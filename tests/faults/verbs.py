"""What users ask in the runs that try one verb at a time. A new workflow is a line in VERBS; all such runs then have it."""

from __future__ import annotations

import dataclasses
import random
import secrets
import time
from collections.abc import Callable
from typing import Any

ACTIVE, STOPPED, DELETED, RESIZED = "active", "stopped", "deleted", "resized"
SHOWN = {"ACTIVE": ACTIVE, "SHUTOFF": STOPPED, "VERIFY_RESIZE": RESIZED}
STATES = (ACTIVE, STOPPED, DELETED, RESIZED)
AT_ONCE = 8
CLEAR_S = 90.0


class Scene:
    """Some servers and what each must come to."""

    def __init__(self, cloud: Any, chance: random.Random, *, at_once: int = AT_ONCE, patience_s: float = CLEAR_S) -> None:
        """It begins without servers. `patience_s` is for what nothing disturbs."""
        self.cloud = cloud
        self.chance = chance
        self._at_once = at_once
        self._patience_s = patience_s
        self.image = ""
        self._wanted: dict[str, str] = {}

    def wanted(self) -> dict[str, set[str]]:
        """Give the servers by the state that they must come to, as the invariants take them."""
        return {state: {one for one, wanted in self._wanted.items() if wanted == state} for state in STATES}

    def living(self) -> list[str]:
        """List the servers that must be there."""
        return [server_id for server_id, wanted in self._wanted.items() if wanted != DELETED]

    def boot(self) -> None:
        """Boot several, one request each."""
        self.image = self.image or self.cloud.image()
        for _ in range(self._at_once):
            self.boot_one()

    def boot_one(self) -> None:
        """Boot one more."""
        self._wanted[self.cloud.boot(f"v{len(self._wanted)}", self.image)] = ACTIVE

    def delete_one(self) -> None:
        """Delete one, whatever is being done to it."""
        victim = self.chance.choice(self.living())
        self.cloud.delete(victim)
        self._wanted[victim] = DELETED

    def boot_many(self) -> None:
        """Boot several by one request."""
        self.image = self.image or self.cloud.image()
        body = {
            "server": {
                "name": "m",
                "imageRef": self.image,
                "flavorRef": "1",
                "min_count": self._at_once,
                "max_count": self._at_once,
            },
        }
        headers = {"Idempotency-Key": secrets.token_hex(16), "X-OpenStack-Nova-API-Version": "2.1"}
        body["server"]["return_reservation_id"] = True
        reservation = self.cloud.compute("POST", "/servers", body, **headers)["reservation_id"]
        found = self.cloud.compute("GET", f"/servers/detail?reservation_id={reservation}&limit=1000")["servers"]
        assert len(found) == self._at_once, f"{len(found)} servers of {self._at_once}"
        self._wanted |= {server["id"]: ACTIVE for server in found}

    def boot_in_peace(self) -> None:
        """Have several running before anything goes wrong."""
        self.boot()
        self.settle(self._patience_s)

    def stop_in_peace(self) -> None:
        """Have several that are off."""
        self.boot_in_peace()
        self.act({"os-stop": None}, STOPPED)
        self.settle(self._patience_s)

    def resize_in_peace(self) -> None:
        """Have several that wait to have a resize confirmed."""
        self.boot_in_peace()
        self.act({"resize": {"flavorRef": "2"}}, RESIZED)
        self.settle(self._patience_s)

    def act(self, action: dict[str, Any], state: str) -> None:
        """Ask the same of every server; where the answer was lost, what was asked may have been taken already."""
        for server_id in self.living():
            taken = self.cloud.act(server_id, action)
            assert taken is not False, f"{action} of {server_id} was refused"
            self._wanted[server_id] = state

    def delete(self) -> None:
        """Delete all."""
        for server_id in self.living():
            self.cloud.delete(server_id)
            self._wanted[server_id] = DELETED

    def settle(self, within_s: float) -> float:
        """Wait until all is as it was asked for; give the moment (monotonic clock). Raises: AssertionError, with stories."""
        try:
            self.cloud.wait(lambda: not self._amiss(), within_s, "all is as it was asked for")
        except AssertionError as error:
            amiss = self._amiss()
            stories = "\n".join(self.cloud.story(server_id) for server_id in list(amiss)[:3])
            raise AssertionError(f"{amiss}\n{stories}\n{error}") from error
        return time.monotonic()

    def clear(self) -> None:
        """Take everything away."""
        self.delete()
        self.settle(self._patience_s)
        if self.image:
            self.cloud.send("DELETE", f"/image/v2/images/{self.image}")

    def _amiss(self) -> dict[str, str]:
        """Say what is not yet as asked for, server by server. Raises: AssertionError when one has failed."""
        servers = self.cloud.servers()
        broken = {
            server_id: servers[server_id].get("fault") for server_id in servers if servers[server_id]["status"] == "ERROR"
        }
        assert not broken, f"servers failed: {broken}"
        amiss = {}
        for server_id, wanted in self._wanted.items():
            shown = servers.get(server_id)
            state = DELETED if shown is None else SHOWN.get(shown["status"])
            busy = None if shown is None else shown["OS-EXT-STS:task_state"]
            if state != wanted or busy:
                amiss[server_id] = f"wanted {wanted}, is {shown and shown['status']} ({busy})"
        return amiss


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verb:
    """A verb: its workflow, the method of its command, that of the driver, what has to be there before, what is asked."""

    name: str
    workflow: str
    method: str
    driver: str
    prepare: Callable[[Scene], None]
    act: Callable[[Scene], None]


def _power(name: str, workflow: str, method: str, driver: str, action: dict[str, Any], state: str = ACTIVE) -> Verb:
    prepare = Scene.stop_in_peace if name == "start" else Scene.boot_in_peace
    return Verb(
        name=name, workflow=workflow, method=method, driver=driver, prepare=prepare, act=lambda scene: scene.act(action, state)
    )


def _nothing(_scene: Scene) -> None:
    """Need nothing before."""


VERBS = (
    Verb(name="boot", workflow="boot", method="ensure_guest", driver="ensure_guest", prepare=_nothing, act=Scene.boot),
    Verb(
        name="boot_many",
        workflow="boot_many",
        method="ensure_guest",
        driver="ensure_guest",
        prepare=_nothing,
        act=Scene.boot_many,
    ),
    Verb(
        name="delete",
        workflow="delete",
        method="remove_guest",
        driver="remove_guest",
        prepare=Scene.boot_in_peace,
        act=Scene.delete,
    ),
    _power("stop", "stop", "ensure_power", "power_off", {"os-stop": None}, STOPPED),
    _power("start", "start", "ensure_power", "power_on", {"os-start": None}),
    _power("reboot_soft", "reboot", "reboot_guest", "reboot", {"reboot": {"type": "SOFT"}}),
    Verb(
        name="resize",
        workflow="resize",
        method="finish_move",
        driver="finish",
        prepare=Scene.boot_in_peace,
        act=lambda scene: scene.act({"resize": {"flavorRef": "2"}}, RESIZED),
    ),
    Verb(
        name="live_migrate",
        workflow="live_migrate",
        method="migrate_live",
        driver="migrate",
        prepare=Scene.boot_in_peace,
        act=lambda scene: scene.act({"os-migrateLive": {"host": None, "block_migration": "auto"}}, ACTIVE),
    ),
    Verb(
        name="confirm_resize",
        workflow="confirm_resize",
        method="remove_guest",
        driver="remove_guest",
        prepare=Scene.resize_in_peace,
        act=lambda scene: scene.act({"confirmResize": None}, ACTIVE),
    ),
    Verb(
        name="revert_resize",
        workflow="revert_resize",
        method="restore_guest",
        driver="restore",
        prepare=Scene.resize_in_peace,
        act=lambda scene: scene.act({"revertResize": None}, ACTIVE),
    ),
    _power("reboot_hard", "reboot_hard", "reboot_guest", "reboot", {"reboot": {"type": "HARD"}}),
)


def undisturbed_s(cloud: Any) -> float:
    """Give how long booting that many takes when nothing goes wrong; measured once for each cloud."""
    known = getattr(cloud, "undisturbed_s", None)
    if known is None:
        scene = Scene(cloud, random.Random(0))
        began = time.monotonic()
        scene.boot_in_peace()
        known = cloud.undisturbed_s = time.monotonic() - began
        scene.clear()
    return float(known)
