"""Snapshots, backups and shelving on the servers' stage: what is there of images, and what hosts hold."""

from __future__ import annotations

import dataclasses

from workflows.servers import CONTEXT, PROJECT, SettledStage

from nova_lite.db import images as queries
from nova_lite.db.engine import Database
from nova_lite.inventory import claims
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import ImageId, OperationId
from nova_lite.model.image import Image, ImageStatus, Visibility
from nova_lite.model.server import Server, ServerState
from nova_lite.servers import records
from nova_lite.workflows import imaging, shelve, unshelve
from nova_lite.workflows.desk import SERVER
from nova_lite.workflows.shelve import OFFLOAD, SHELVE
from nova_lite.workflows.snapshot import BACKUP, SNAPSHOT, BackupOrder, SnapshotOrder, accept_backup, accept_snapshot
from nova_lite.workflows.unshelve import POWER_UP, UNSHELVE

OLDER = 3
KEPT = 2


class ImagingStage(SettledStage):
    """A running server, of which an image is made; a backup finds older ones."""

    def __init__(self, database: Database, workflow) -> None:
        super().__init__(database, workflow, None, PowerState.RUNNING)
        self.older: list[str] = []
        self.made: ImageId | None = None
        if workflow is BACKUP:
            self.older = [self._older(number) for number in range(OLDER)]

    def _older(self, number: int) -> str:
        image = Image(
            id=ImageId(f"{number:08d}{self.servers[0].id[8:]}"),
            name=f"b{number}",
            owner=PROJECT,
            status=ImageStatus.ACTIVE,
            visibility=Visibility.PRIVATE,
            disk_format="qcow2",
            container_format="bare",
            created_at=float(number),
            properties={"image_type": "backup", "backup_type": "daily", "instance_uuid": self.servers[0].id},
        )
        self.database.transact(lambda tx: self.images.create(tx, image))
        return image.id

    def begin(self) -> OperationId:
        server_id = self.servers[0].id
        if self.workflow is SNAPSHOT:
            order = SnapshotOrder(server_id=server_id, name="copy", metadata={"mine": "yes"})
            self.made = accept_snapshot(self.desk, self.images, CONTEXT, order)
        else:
            backup = BackupOrder(server_id=server_id, name="copy", backup_type="daily", rotation=KEPT)
            self.made = accept_backup(self.desk, self.images, CONTEXT, backup)
        return self._live(SERVER, server_id)

    def mine(self) -> dict[str, ImageStatus]:
        """Give the images of this stage's server."""
        server_id = self.servers[0].id
        return {image.id: image.status for image in self.images.all() if image.properties["instance_uuid"] == server_id}

    def check_success(self) -> None:
        row = self.row(self.servers[0])
        assert (row.state, row.power_state) == (ServerState.ACTIVE, PowerState.RUNNING)
        kept = [self.made, *reversed(self.older)][:KEPT] if self.workflow is BACKUP else [self.made]
        assert self.mine() == dict.fromkeys(kept, ImageStatus.ACTIVE)
        assert not self.hosts["h1"].exported

    def check_clean(self) -> None:
        super().check_clean()
        assert self.mine() == dict.fromkeys(self.older, ImageStatus.ACTIVE)
        assert not self.hosts["h1"].exported

    def check_deleted(self) -> None:
        super().check_deleted()
        assert set(self.mine()) <= {*self.older, self.made}


class ShelfStage(SettledStage):
    """A server on its way to the shelf or from it. `before` is its state at the beginning."""

    offload_s = 0

    def __init__(self, database: Database, workflow, before: ServerState) -> None:
        power = PowerState.RUNNING if before is ServerState.ACTIVE else PowerState.SHUTDOWN
        super().__init__(database, workflow, None, power)
        self.ports = dataclasses.replace(self.ports, shelved_offload_s=self.offload_s)
        self._before, self._power = before, power
        self._shelved: ImageId | None = None
        if before is not ServerState.ACTIVE:
            database.transact(self._shelve)

    def _shelve(self, tx) -> None:
        server = self.servers[0]
        image = imaging.new_image(tx, self.images, CONTEXT, server, "s-shelved", {})
        queries.update_image(tx, image.id, {"status": ImageStatus.ACTIVE})
        self._shelved = image.id
        changes = {"state": self._before, "shelved_image_id": image.id, "shelved_at": 1.0}
        if self._before is ServerState.SHELVED_OFFLOADED:
            claims.release(tx, server.id)
            self.hosts["h1"].guests.clear()
            changes |= {"host": None, "power_state": PowerState.NOSTATE}
        records.update(tx, server.id, **changes)

    def begin(self) -> OperationId:
        server_id = self.servers[0].id
        if self.workflow is SHELVE:
            shelve.accept(self.desk, self.images, CONTEXT, server_id)
        elif self.workflow is OFFLOAD:
            shelve.accept_offload(self.desk, CONTEXT, server_id)
        else:
            unshelve.accept(self.desk, CONTEXT, server_id, unshelve.Place())
        return self._live(SERVER, server_id)

    def mine(self) -> dict[str, ImageStatus]:
        server_id = self.servers[0].id
        return {image.id: image.status for image in self.images.all() if image.properties["instance_uuid"] == server_id}

    def check_success(self) -> None:
        server = self.servers[0]
        if self.workflow in (POWER_UP, UNSHELVE):
            row = self.row(server)
            assert (row.state, row.power_state) == (ServerState.ACTIVE, PowerState.RUNNING)
            assert self.hosts.with_guest(server.id) == [row.host] == self.claimed(server)
            assert len(self.port_states(server)) == 1
            assert len(row.addresses) == (1 if self.workflow is UNSHELVE else 0)  # the stage began without
            assert self.mine() == {}
            assert (row.shelved_image_id, row.shelved_at, row.image_id) == (None, None, server.image_id)
        else:
            self._check_offloaded(server)
        assert self.used() == 1
        self.check_books()
        assert not any(host.exported for host in self.hosts.hosts.values())

    def _check_offloaded(self, server: Server) -> None:
        row = self.row(server)
        assert (row.state, row.host, row.power_state) == (ServerState.SHELVED_OFFLOADED, None, PowerState.NOSTATE)
        assert self.mine() == {row.shelved_image_id: ImageStatus.ACTIVE}
        assert self.hosts.with_guest(server.id) == []
        assert self.claimed(server) == []
        assert len(self.port_states(server)) == 1

    def check_clean(self) -> None:
        server = self.servers[0]
        row = self.row(server)
        offloaded = self._before is ServerState.SHELVED_OFFLOADED
        assert (row.state, row.shelved_image_id) == (self._before, self._shelved)
        assert self.mine() == ({self._shelved: ImageStatus.ACTIVE} if self._shelved else {})
        assert self.hosts.with_guest(server.id) == self.claimed(server) == ([] if offloaded else ["h1"])
        if not offloaded:
            assert self.hosts["h1"].guests[server.id] == self._power
        assert len(self.port_states(server)) == 1
        assert not any(host.exported for host in self.hosts.hosts.values())
        self.check_books()

    def check_deleted(self) -> None:
        super().check_deleted()
        assert self.mine() == {}


@dataclasses.dataclass(frozen=True)
class ShelfScenario:
    workflow: object
    before: ServerState

    @property
    def name(self) -> str:
        return self.workflow.name

    def build(self, database: Database) -> ShelfStage:
        return ShelfStage(database, self.workflow, self.before)


@dataclasses.dataclass(frozen=True)
class ImagingScenario:
    workflow: object

    @property
    def name(self) -> str:
        return self.workflow.name

    def build(self, database: Database) -> ImagingStage:
        return ImagingStage(database, self.workflow)


SCENARIOS = (
    ImagingScenario(SNAPSHOT),
    ImagingScenario(BACKUP),
    ShelfScenario(SHELVE, ServerState.ACTIVE),
    ShelfScenario(OFFLOAD, ServerState.SHELVED),
    ShelfScenario(POWER_UP, ServerState.SHELVED),
    ShelfScenario(UNSHELVE, ServerState.SHELVED_OFFLOADED),
)
