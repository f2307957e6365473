"""All daemons in one process over a local broker, an SQLite file and fake hypervisors: a whole cloud in a tenth of a second."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import falcon.testing
import sqlalchemy as sa

from nova_lite import errors
from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.clock import Clock, SystemClock
from nova_lite.compute.host import ComputeHost
from nova_lite.compute.host import Doors as HostDoors
from nova_lite.compute.moving.door import Door
from nova_lite.compute.virt.fake.driver import FakeDriver
from nova_lite.conductor.daemon import Conductor
from nova_lite.conductor.daemon import Doors as ConductorDoors
from nova_lite.conf.console import ConsoleOptions
from nova_lite.conf.identity import IdentityOptions
from nova_lite.conf.image import ImageOptions
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.console.daemon import ConsoleProxy
from nova_lite.console.site import Site
from nova_lite.db import migrate
from nova_lite.db.engine import Database
from nova_lite.identity.bootstrap import bootstrap as bootstrap_identity
from nova_lite.identity.policy import Policy
from nova_lite.identity.service import ensure_all_keys, make_identity
from nova_lite.image import sending
from nova_lite.image.service import Images, make_images
from nova_lite.inventory import hosts
from nova_lite.model.ids import HostName
from nova_lite.model.image import ImageTarget
from nova_lite.network.bootstrap import bootstrap as bootstrap_network
from nova_lite.network.service import Networks
from nova_lite.rpc.compute import ComputeClient
from nova_lite.rpc.conductor import ConductorClient
from nova_lite.rpc.local import LocalBroker, LocalTransport
from nova_lite.runtime.doorbell import DoorbellSender
from nova_lite.scheduler.daemon import Scheduler
from nova_lite.servers import flavors
from nova_lite.workflows.desk import Desk

PASSWORD = "a password for tests"


class Cloud:
    """One control side and some hosts. `broker.sent` has every message, `statements` every statement of API and conductor."""

    def __init__(
        self,
        folder: Path,
        host_names: tuple[str, ...],
        *,
        url: str | None = None,
        schema: Callable[[Database], object] | None = None,
        clock_of: Callable[[str], Clock] = lambda daemon: SystemClock(),
        announces: bool = False,
        shelved_offload_s: int = 0,
    ) -> None:
        """`url` is an empty database, an SQLite file by default; `schema` makes its tables, the migrations by default.

        `clock_of` gives each daemon (api, conductor, scheduler, a host's name) a clock of its own.
        """
        self._clock_of = clock_of
        self._announces = announces
        self._shelved_offload_s = shelved_offload_s
        self.folder = folder
        self.url = url or f"sqlite:///{folder}/nova-lite.db"
        self.broker = LocalBroker()
        self.statements: list[str] = []
        self._lock = threading.Lock()
        self._closing = contextlib.ExitStack()
        set_up = Database(self.url)
        (schema or migrate.upgrade)(set_up)
        bootstrap_identity(
            set_up, admin_password=PASSWORD, demo_password=PASSWORD, region="RegionOne", public_url="http://127.0.0.1"
        )
        flavors.bootstrap(set_up)
        bootstrap_network(set_up)
        for name in host_names:
            set_up.transact(lambda tx, name=name: hosts.add_host(tx, HostName(name)))
        set_up.dispose()
        self.database = self._database(clock_of("api"))
        self.conductor = self.new_conductor()
        self.scheduler = Scheduler(Database(self.url, clock_of("scheduler")), LocalTransport(self.broker), name="control")
        self._door = Door(folder / "door", "control", address="127.0.0.1")
        self._closing.callback(self._door.close)
        self.hosts = {name: self.make_host(name) for name in host_names}
        self.headers: dict[str, dict[str, str]] = {}
        self.serve(self._parts())

    def serve(self, parts: Parts) -> None:
        """Have the APIs stand on these parts from now on."""
        self.parts = parts
        self.client = falcon.testing.TestClient(make_app(parts))

    def start(self) -> None:
        """Start all, and wait until the hosts have registered."""
        for daemon in (self.conductor, self.scheduler, *self.hosts.values()):
            daemon.start()
            self._closing.callback(daemon.stop)
        self.wait(lambda: sum(host.up for host in self.listed_hosts()) == len(self.hosts), "hosts are up")

    def close(self) -> None:
        self._closing.close()

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _database(self, clock: Clock) -> Database:
        database = Database(self.url, clock, announces=self._announces)
        self._closing.callback(database.dispose)

        @sa.event.listens_for(database.engine, "before_cursor_execute")
        def note(_connection, _cursor, statement, _parameters, _context, _many) -> None:
            if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA", "BEGIN", "COMMIT")):
                with self._lock:
                    self.statements.append(statement)

        return database

    def new_conductor(self) -> Conductor:
        """Make a conductor that is not started; its stop is the caller's."""
        database = self._database(self._clock_of("conductor"))
        images = self._images(database)
        return Conductor(
            ConductorDoors(
                database=database,
                transport=LocalTransport(self.broker),
                network=Networks(database),
                images=images,
                imports=images.imports,
                ratios=SchedulerOptions(),
                name="control",
                shelved_offload_s=self._shelved_offload_s,
            )
        )

    def make_host(self, name: str, **more: Any) -> ComputeHost:
        folder = self.folder / "compute" / name
        folder.mkdir(parents=True, exist_ok=True)
        driver = FakeDriver(folder, HostName(name))
        driver.snapshots.send = self.send_image
        return ComputeHost(
            HostDoors(
                host=HostName(name),
                folder=folder,
                transport=LocalTransport(self.broker),
                driver=driver,
                clock=self._clock_of(name),
                door=self._door,
                **more,
            )
        )

    def send_image(self, target: ImageTarget, content: sending.Content, stop: threading.Event) -> None:
        """Fill an image as hosts do, without a network between."""
        answer = self.client.simulate_put(
            urllib.parse.urlsplit(target.url).path,
            body=b"".join(content.pieces()),
            headers={"X-Image-Ticket": target.ticket, "Content-Type": "application/octet-stream"},
        )
        if answer.status_code != 204:
            kind, message = sending.FINAL.get(answer.status_code, (errors.Unavailable, answer.text))
            raise kind(message)

    def start_console(self, *, site: Site | None = None, **options: Any) -> ConsoleProxy:
        """Start a console proxy on a port of its own; URLs that the API gives from now on lead to it."""
        transport = LocalTransport(self.broker)
        console = ConsoleProxy(ConsoleOptions(port=0, **options), transport, site or Site(()))
        console.start()
        self._closing.callback(console.stop)
        url = f"http://127.0.0.1:{console.server.port}"
        self.console_options = ConsoleOptions(public_url=url, **options)
        parts = dataclasses.replace(self.parts, consoles=self.console_options)
        self.client = falcon.testing.TestClient(make_app(parts))
        return console

    def _parts(self) -> Parts:
        ensure_all_keys(self.folder, self.database.clock.wall())
        identity = make_identity(self.database, self.folder, IdentityOptions(), self.database.clock)
        transport = LocalTransport(self.broker)
        self._closing.callback(transport.close)
        bell = DoorbellSender(ConductorClient(transport))
        self._closing.callback(bell.stop)
        images = self._images(self.database)
        images.start()
        return Parts(
            database=self.database,
            tokens=identity.tokens,
            policy=Policy(),
            identity=identity,
            desk=Desk(database=self.database, ring=bell.ring),
            images=images,
            network=Networks(self.database),
            compute=ComputeClient(transport),
        )

    def conductor_images(self) -> Images:
        """Give the image service as a conductor has it, under the conductor's clock."""
        return self._images(self._database(self._clock_of("conductor")))

    def _images(self, database: Database) -> Images:
        return make_images(database, self.folder, self._store(), "http://127.0.0.1")

    def _store(self) -> ImageOptions:
        folders = {"file": self.folder / "images", "other": self.folder / "images-elsewhere"}
        return ImageOptions(store=",".join(f"{name}={folder.as_uri()}" for name, folder in folders.items()))

    # -- use -----------------------------------------------------------------------------------------------------------

    def log_in(self, name: str) -> dict[str, str]:
        if name not in self.headers:
            domain = {"id": "default"}
            user = {"name": name, "domain": domain, "password": PASSWORD}
            body = {
                "auth": {
                    "identity": {"methods": ["password"], "password": {"user": user}},
                    "scope": {"project": {"name": name, "domain": domain}},
                }
            }
            answer = self.client.simulate_post("/identity/v3/auth/tokens", json=body)
            assert answer.status_code == 201, answer.text
            self.headers[name] = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
        return self.headers[name]

    def ask(self, method: str, path: str, body: Any = None, *, user: str = "demo", version: str = "2.1") -> Any:
        """Ask the Compute API; give falcon's result."""
        headers = {**self.log_in(user), "OpenStack-API-Version": f"compute {version}"}
        return self.client.simulate_request(method, f"/compute/v2.1{path}", json=body, headers=headers)

    def staged_image(self, content: bytes = b"x" * 4096, disk_format: str = "raw") -> str:
        return self.image(content, "stage", disk_format)

    def image(self, content: bytes = b"x" * 4096, to: str = "file", disk_format: str = "raw") -> str:
        headers = self.log_in("demo")
        body = {"name": "tiny", "disk_format": disk_format, "container_format": "bare"}
        made = self.client.simulate_post("/image/v2/images", json=body, headers=headers).json
        answer = self.client.simulate_put(
            f"/image/v2/images/{made['id']}/{to}",
            body=content,
            headers={**headers, "Content-Type": "application/octet-stream"},
        )
        assert answer.status_code == 204, answer.text
        return str(made["id"])

    def boot(self, image: str, name: str = "s", **more: Any) -> str:
        body = {"server": {"name": name, "imageRef": image, "flavorRef": "1", **more}}
        answer = self.ask("POST", "/servers", body)
        assert answer.status_code == 202, answer.text
        return str(answer.json["server"]["id"])

    def server(self, server_id: str, *, user: str = "demo", version: str = "2.1") -> dict[str, Any] | None:
        answer = self.ask("GET", f"/servers/{server_id}", user=user, version=version)
        return answer.json["server"] if answer.status_code == 200 else None

    def wait_for(self, server_id: str, status: str) -> dict[str, Any]:
        self.wait(lambda: (self.server(server_id) or {}).get("status") == status, f"{server_id} is {status}")
        return self.server(server_id)

    def wait_gone(self, server_id: str) -> None:
        self.wait(lambda: self.server(server_id) is None, f"{server_id} is gone")

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
            time.sleep(0.01)

    def listed_hosts(self):
        with self.database.read() as tx:
            return hosts.list_hosts(tx)

    def behave(self, host: str, text: str) -> None:
        """Set what a fake hypervisor does."""
        (self.folder / "compute" / host / "behaviour.json").write_text(text)

    def guests(self, host: str) -> set[str]:
        return set(json.loads((self.folder / "compute" / host / "hypervisor.json").read_text())["guests"])


@contextlib.contextmanager
def running(folder: Path, *host_names: str, **options: Any) -> Iterator[Cloud]:
    """Run a cloud while the block lasts; `options` are `Cloud`'s."""
    cloud = Cloud(folder, host_names, **options)
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.close()
