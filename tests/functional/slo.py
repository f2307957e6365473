"""What operations spend on a cloud in one process, for slo.toml: the test asserts it, the benchmark shows it."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import time
import tomllib
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nova_lite.db.engine import Database
from nova_lite.db.tables.journal import operations
from nova_lite.db.tables.servers import servers
from nova_lite.inventory import hosts
from nova_lite.model.ids import HostName

TOP = Path(__file__).resolve().parents[2]
BACKGROUND = {"heartbeat", "probe", "self_test", "register", "welcome"}
IDLE_S = 2.5
COUNTED = 3
QUIET_S = 0.25  # the last acknowledgement
READ = 3  # rounds of what changes nothing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spent:
    """What one operation took, and by how much memory grew over many."""

    statements: list[str]
    messages: list[str]
    growth_kib: float


def budgets() -> dict[str, dict[str, int]]:
    return tomllib.loads((TOP / "slo.toml").read_text(encoding="utf-8"))


def is_beat(statement: str) -> bool:
    """Whether it is a sign of life, a look at all hosts or the count of downloads, which come every few seconds."""
    if statement.startswith("UPDATE services") or "INTO image_usage" in statement or "UPDATE image_usage" in statement:
        return True
    return "coalesce(anon_1.owed" in statement and "hosts.name = " not in statement


class Meter:
    """Counts what a cloud spends. It looks at the database with an engine of its own, which is not counted."""

    def __init__(self, cloud: Any) -> None:
        self._cloud = cloud
        self._own = Database(cloud.url)
        self._ids: list[str] = []
        self._idle: set[str] = set()
        self._times = {name: budget["times"] for name, budget in budgets().items()}

    def close(self) -> None:
        self._own.dispose()

    def lives(self, image: str) -> Iterator[tuple[str, Spent]]:
        """A server's birth, what is done with its power and its disk, and its end."""
        yield "boot", self._spend("boot", lambda number: self._ids.append(self._cloud.boot(image, f"s{number}")))
        for name, body in ACTIONS.items():
            yield name, self._spend(name, lambda number, body=body: self._act(self._ids[number], body))
        yield "show_server", self._spend("show_server", lambda _: self._get(f"/servers/{self._ids[0]}"), rounds=READ)
        yield "delete", self._spend("delete", lambda number: self._delete(self._ids[number]))

    def changes(self, image: str) -> Iterator[tuple[str, Spent]]:
        """What a server loses and gets back: its host, its interfaces, its disk, itself."""
        self._boot_all(image)
        for name, body in SHELF:
            yield name, self._spend(name, lambda number, body=body: self._act(self._ids[number], body, user="admin"))
        inject = {"injectNetworkInfo": None}
        yield (
            "inject_network_info",
            self._spend("inject_network_info", lambda number: self._act(self._ids[number], inject, user="admin")),
        )
        with self._impatient():
            yield "attach_interface", self._spend("attach_interface", lambda number: self._attach(self._ids[number]))
            yield "detach_interface", self._spend("detach_interface", lambda number: self._detach(self._ids[number]))
        address = {"addFixedIp": {"networkId": self._network()}}
        yield "add_fixed_ip", self._spend("add_fixed_ip", lambda number: self._act(self._ids[number], address))
        yield "remove_fixed_ip", self._spend("remove_fixed_ip", lambda number: self._remove(self._ids[number]))
        yield "rebuild", self._spend("rebuild", lambda number: self._rebuild(self._ids[number], image))
        with self._keeping_deleted_servers():
            yield "soft_delete", self._spend("soft_delete", lambda number: self._delete(self._ids[number]))
            yield "restore", self._spend("restore", lambda number: self._act(self._ids[number], RESTORE))

    def moves(self, image: str) -> Iterator[tuple[str, Spent]]:
        """Resize there and back, then to stay; migrate one that is off in between. Then what concerns many."""
        self._boot_all(image)
        larger, back = {"resize": {"flavorRef": "2"}}, {"revertResize": None}
        yield "resize", self._spend("resize", lambda number: self._act(self._ids[number], larger))
        yield "revert_resize", self._spend("revert_resize", lambda number: self._act(self._ids[number], back))
        away = {"migrate": None}
        yield "migrate", self._spend("migrate", lambda number: self._act(self._ids[number], away, "admin"))
        good = {"confirmResize": None}
        yield "confirm_resize", self._spend("confirm_resize", lambda number: self._act(self._ids[number], good))

        live = {"os-migrateLive": {"host": None, "block_migration": True, "disk_over_commit": False}}
        yield "live_migrate", self._spend("live_migrate", lambda number: self._act(self._ids[number], live, "admin"))
        yield "evacuate", self._spend("evacuate", self._evacuate)
        for host in self._cloud.hosts:
            self._force_down(host, forced_down=False)
        yield "token_check", self._spend("token_check", lambda _: self._get("/extensions"), rounds=READ)
        more = {"min_count": 2, "max_count": 2}
        yield "boot_many", self._spend("boot_many", lambda number: self._cloud.boot(image, f"m{number}", **more))
        yield "import_image", self._spend("import_image", lambda _: self._import())
        self._copy_to(1000)
        page = "/servers/detail?limit=1000"
        assert len(self._get(page).json["servers"]) == 1000
        yield "list_1000_servers", self._spend("list_1000_servers", lambda _: self._get(page), rounds=READ)

    def _evacuate(self, number: int) -> None:
        """Have the host of one server count as dead, and no other, and evacuate that server."""
        server_id = self._ids[number]
        shown = self._cloud.server(server_id, user="admin")
        for host in self._cloud.hosts:
            self._force_down(host, forced_down=host == shown["OS-EXT-SRV-ATTR:host"])
        answer = self._cloud.ask("POST", f"/servers/{server_id}/action", {"evacuate": {}}, user="admin", version="2.14")
        assert answer.status_code == 200, answer.text

    def _force_down(self, host: str, *, forced_down: bool) -> None:
        self._own.transact(lambda tx: hosts.set_forced_down(tx, HostName(host), forced_down=forced_down))

    def prepare(self) -> str:
        """Have room, all caches warm, and know what is said while nothing is done."""
        image = self._cloud.image()
        project = self._get("/servers/detail")  # logs in
        assert project.status_code == 200
        with self._own.read() as tx:
            (demo,) = tx.execute(sa.text("SELECT id FROM projects WHERE name = 'demo'")).scalars()
        limits = {"instances": -1, "cores": -1, "ram": -1}
        answer = self._cloud.ask("PUT", f"/os-quota-sets/{demo}", {"quota_set": limits}, user="admin")
        assert answer.status_code == 200, answer.text
        server_id = self._cloud.boot(image)
        self._settle()
        for body in (*ACTIONS.values(), *(body for _, body in SHELF)):
            self._act(server_id, body, user="admin")
            self._settle()
        with self._impatient():
            self._attach(server_id)
            self._settle()
            self._detach(server_id)
            self._settle()
        self._act(server_id, {"addFixedIp": {"networkId": self._network()}})
        self._settle()
        self._remove(server_id)
        self._settle()
        self._rebuild(server_id, image)
        self._settle()
        with self._keeping_deleted_servers():
            self._delete(server_id)
            self._settle()
            self._act(server_id, RESTORE)
            self._settle()
        self._delete(server_id)
        self._settle()
        for chore in self._cloud.conductor._housekeeping._chores:
            chore.act()  # its first turn, up to a minute after the start, fills the cache of compiled statements
        self._cloud.statements.clear()
        time.sleep(IDLE_S)
        self._idle = set(self._cloud.statements)
        return image

    @contextlib.contextmanager
    def _impatient(self) -> Iterator[None]:
        """Have an API that waits for nothing: how often it would look depends on the machine."""
        parts = self._cloud.parts
        self._cloud.serve(dataclasses.replace(parts, patience_s=0.0))
        try:
            yield
        finally:
            self._cloud.serve(parts)

    @contextlib.contextmanager
    def _keeping_deleted_servers(self) -> Iterator[None]:
        """Have an API that deletes softly for a while."""
        parts = self._cloud.parts
        self._cloud.serve(dataclasses.replace(parts, desk=dataclasses.replace(parts.desk, reclaim_s=3600)))
        try:
            yield
        finally:
            self._cloud.serve(parts)

    def _boot_all(self, image: str) -> None:
        """Have as many servers as any of their workflows wants."""
        for number in range(self._times["boot"]):
            self._ids.append(self._cloud.boot(image, f"s{number}"))
        self._settle()

    def _spend(self, name: str, act: Callable[[int], object], rounds: int = 1) -> Spent:
        """Count what the first ones take alone, then let the others come at once and see what stays in memory.

        The least of three counts: heartbeats and reconcilers, which come every 15 s or more seldom, hit one at most.
        Of what may be repeated as often as one likes, the growth is the least of several rounds: what is kept grows in each,
        and what a reconciler holds in passing (a thousand copied servers are a thousand differences) does not.
        """
        counts = [self._count(act, number) for number in range(COUNTED)]
        statements, messages = min(counts, key=lambda count: len(count[0]))
        growth = min(self._growth(name, act) for _ in range(rounds))
        return Spent(statements=statements, messages=messages, growth_kib=round(growth / 1024, 1))

    def _growth(self, name: str, act: Callable[[int], object]) -> int:
        """Give by how many bytes memory is larger once the others have come."""
        before = self._weigh()
        for number in range(COUNTED, self._times[name]):
            act(number)
        self._settle()
        return self._weigh() - before

    def _count(self, act: Callable[[int], object], number: int) -> tuple[list[str], list[str]]:
        self._cloud.statements.clear()
        self._cloud.broker.sent.clear()
        act(number)
        self._settle()
        statements = [one for one in self._cloud.statements if one not in self._idle and not is_beat(one)]
        return statements, [letter.method for letter in self._cloud.broker.sent if letter.method not in BACKGROUND]

    def _weigh(self) -> int:
        self._cloud.statements.clear()
        self._cloud.broker.sent.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    def _settle(self) -> None:
        """Wait until nothing runs any more."""
        living = sa.select(sa.func.count()).where(operations.c.ended_at.is_(None))
        until = time.monotonic() + 120
        while True:
            with self._own.read() as tx:
                if tx.execute(living).scalar_one() == 0:
                    break
            assert time.monotonic() < until, "operations do not end"
            time.sleep(0.05)
        time.sleep(QUIET_S)

    def _get(self, path: str) -> Any:
        answer = self._cloud.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer

    def _act(self, server_id: str, body: Any, user: str = "demo") -> None:
        answer = self._cloud.ask("POST", f"/servers/{server_id}/action", body, version="2.17", user=user)
        assert answer.status_code in (200, 202, 204), answer.text

    def _rebuild(self, server_id: str, image: str) -> None:
        answer = self._cloud.ask("POST", f"/servers/{server_id}/action", {"rebuild": {"imageRef": image}})
        assert answer.status_code == 202, answer.text

    def _attach(self, server_id: str) -> None:
        assert self._cloud.ask("POST", f"/servers/{server_id}/os-interface", {}).status_code == 200

    def _detach(self, server_id: str) -> None:
        path = f"/servers/{server_id}/os-interface"
        newest = self._get(path).json["interfaceAttachments"][-1]["port_id"]
        assert self._cloud.ask("DELETE", f"{path}/{newest}").status_code == 202

    def _network(self) -> str:
        with self._own.read() as tx:
            return str(tx.execute(sa.text("SELECT id FROM networks")).scalar_one())

    def _remove(self, server_id: str) -> None:
        """Take away the address that a server has last."""
        addresses = self._get(f"/servers/{server_id}").json["server"]["addresses"]["flat"]
        self._act(server_id, {"removeFixedIp": {"address": addresses[-1]["addr"]}})

    def _delete(self, server_id: str) -> None:
        assert self._cloud.ask("DELETE", f"/servers/{server_id}").status_code == 204

    def _import(self) -> None:
        image = self._cloud.staged_image()
        body = {"method": {"name": "glance-direct"}}
        headers = self._cloud.log_in("demo")
        answer = self._cloud.client.simulate_post(f"/image/v2/images/{image}/import", json=body, headers=headers)
        assert answer.status_code == 202, answer.text

    def _copy_to(self, number: int) -> None:
        """Multiply the servers there are."""

        def copy(tx: Any) -> None:
            there = tx.execute(sa.select(servers).where(servers.c.state != "deleted")).mappings().all()
            one = {column.key: there[0][column] for column in servers.c}
            rows = [{**one, "id": str(uuid.uuid4()), "name": f"c{count}"} for count in range(len(there), number)]
            tx.execute(servers.insert(), rows)

        self._own.transact(copy)


RESTORE = {"restore": None}
ACTIONS = {
    "stop": {"os-stop": None},
    "start": {"os-start": None},
    "reboot": {"reboot": {"type": "SOFT"}},
    "reboot_hard": {"reboot": {"type": "HARD"}},
    "snapshot": {"createImage": {"name": "copy"}},
    "backup": {"createBackup": {"name": "copy", "backup_type": "daily", "rotation": 1}},
    "pause": {"pause": None},
    "unpause": {"unpause": None},
    "suspend": {"suspend": None},
    "resume": {"resume": None},
    "change_password": {"changePassword": {"adminPass": "another"}},
    "trigger_crash_dump": {"trigger_crash_dump": None},
    "rescue": {"rescue": None},
    "unrescue": {"unrescue": None},
}

# On a cloud whose shelved servers stay until they are told to go. One after another, each finds what the last one left.
SHELF = (
    ("shelve", {"shelve": None}),
    ("unshelve_in_place", {"unshelve": None}),
    ("shelve", {"shelve": None}),
    ("shelve_offload", {"shelveOffload": None}),
    ("unshelve", {"unshelve": None}),
)


PARTS = {"lives": Meter.lives, "changes": Meter.changes, "moves": Meter.moves}  # each takes a minute of quiet


def measure(cloud: Any, part: str) -> dict[str, Spent]:
    """Give what each operation of a part spent."""
    meter = Meter(cloud)
    tracemalloc.start()
    try:
        return dict(PARTS[part](meter, meter.prepare()))
    finally:
        tracemalloc.stop()
        meter.close()
