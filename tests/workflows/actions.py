"""The actions that change one server where it is, on the servers' stage."""

from __future__ import annotations

import dataclasses
import uuid

from workflows.servers import FLAVOR, PROJECT, SettledStage

from nova_lite.db.engine import Database
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import ImageId
from nova_lite.model.server import RequestedNetwork, ServerState
from nova_lite.servers import records
from nova_lite.workflows import books, delete, fixed_ips, interfaces, rebuild, rescue, restore
from nova_lite.workflows.delete import DELETE, SOFT_DELETE
from nova_lite.workflows.fixed_ips import ADD_FIXED_IP, REMOVE_FIXED_IP
from nova_lite.workflows.interfaces import ATTACH_INTERFACE, DETACH_INTERFACE
from nova_lite.workflows.rebuild import REBUILD
from nova_lite.workflows.rescue import RESCUE, UNRESCUE
from nova_lite.workflows.restore import RESTORE

KEPT_S = 3600


class SoftDeleteStage(SettledStage):
    """A running server that is deleted where deleted ones are kept."""

    others = (DELETE,)

    def __init__(self, database: Database) -> None:
        super().__init__(database, SOFT_DELETE, delete.accept, PowerState.RUNNING)
        self.desk = dataclasses.replace(self.desk, reclaim_s=KEPT_S)

    def check_success(self) -> None:
        server = self.servers[0]
        row = self.row(server)
        assert (row.state, row.power_state, row.host) == (ServerState.SOFT_DELETED, PowerState.SHUTDOWN, "h1")
        assert row.terminated_at is not None
        assert self.claimed(server) == ["h1"]
        assert self.used() == 0
        self.check_books()


class RestoreStage(SettledStage):
    """A server that was deleted softly comes back; what fails leaves it there, and off."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, RESTORE, restore.accept, PowerState.SHUTDOWN)

        def hide(tx) -> None:
            records.update(tx, self.servers[0].id, state=ServerState.SOFT_DELETED, terminated_at=1.0)
            books.give_back(tx, PROJECT, FLAVOR)

        database.transact(hide)

    def check_success(self) -> None:
        super().check_success()
        assert self.row(self.servers[0]).terminated_at is None
        assert self.used() == 1

    def check_clean(self) -> None:
        super().check_clean()
        assert self.used() == 1


class InterfaceStage(SettledStage):
    """A running server whose interfaces change. Whatever happens, guest, ports and record agree in the end."""

    def __init__(self, database: Database, workflow) -> None:
        super().__init__(database, workflow, self._ask, PowerState.RUNNING)
        (self.first,) = self.network.ports_of(self.servers[0].id)
        self.network.mark_active(self.servers[0].id)
        self.hosts["h1"].ports_of[self.servers[0].id] = (self.first.id,)

    def _ask(self, desk, context, server_id) -> None:
        raise NotImplementedError

    def check_interfaces(self, count: int) -> None:
        """Of the guest, whose host may have been lost meanwhile, only what was ordered is known."""
        server = self.servers[0]
        ports = self.network.ports_of(server.id)
        assert len(ports) == count
        assert {port.status for port in ports} <= {"ACTIVE"}
        if not self.standings.lost:
            assert set(self.hosts["h1"].ports_of[server.id]) == {port.id for port in ports}

    def check_success(self) -> None:
        super().check_success()
        ports = self.network.ports_of(self.servers[0].id)
        shown = {address.ip_address for address in self.row(self.servers[0]).addresses}
        assert shown == {fixed.ip_address for port in ports for fixed in port.fixed_ips}


class AttachStage(InterfaceStage):
    """It gets one more, with a tag."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, ATTACH_INTERFACE)

    def _ask(self, desk, context, server_id) -> None:
        interfaces.accept_attach(desk, self.network, context, server_id, RequestedNetwork(tag="blue"))

    def check_success(self) -> None:
        super().check_success()
        self.check_interfaces(2)
        assert [one.tag for one in self.row(self.servers[0]).requested_networks] == ["blue"]

    def check_clean(self) -> None:
        super().check_clean()
        self.check_interfaces(1)
        assert self.row(self.servers[0]).requested_networks == ()


class DetachStage(InterfaceStage):
    """It loses the only one it has."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, DETACH_INTERFACE)

    def _ask(self, desk, context, server_id) -> None:
        interfaces.accept_detach(desk, context, server_id, self.first.id)

    def check_success(self) -> None:
        super().check_success()
        self.check_interfaces(0)

    def check_clean(self) -> None:
        super().check_clean()
        self.check_interfaces(1)


class AddressStage(InterfaceStage):
    """A running server whose only port has so many addresses, and gets one more or loses the first."""

    def __init__(self, database: Database, workflow, before: int, after: int) -> None:
        super().__init__(database, workflow)
        self._counts = (before, after)
        for _ in range(before - 1):
            database.transact(lambda tx: self.network.take_address(tx, self.first.id))
        self.hosts["h1"].addresses_of[self.servers[0].id] = self.addresses()

    def addresses(self) -> set[str]:
        ports = self.network.ports_of(self.servers[0].id)
        return {fixed.ip_address for port in ports for fixed in port.fixed_ips}

    def _ask(self, desk, context, server_id) -> None:
        if self.workflow is ADD_FIXED_IP:
            fixed_ips.accept_add(desk, self.network, context, server_id, self.first.network_id)
        else:
            fixed_ips.accept_remove(desk, self.network, context, server_id, self.first.fixed_ips[0].ip_address)

    def check_addresses(self, count: int) -> None:
        assert len(self.addresses()) == count
        if not self.standings.lost:
            assert self.hosts["h1"].addresses_of[self.servers[0].id] == self.addresses()

    def check_success(self) -> None:
        super().check_success()
        self.check_addresses(self._counts[1])

    def check_clean(self) -> None:
        super().check_clean()
        self.check_addresses(self._counts[0])


def adding(database: Database) -> AddressStage:
    return AddressStage(database, ADD_FIXED_IP, 1, 2)


def removing(database: Database) -> AddressStage:
    return AddressStage(database, REMOVE_FIXED_IP, 2, 1)


class RescueStage(SettledStage):
    """A running server that is rescued."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, RESCUE, accept_rescue, PowerState.RUNNING)

    def check_success(self) -> None:
        server = self.servers[0]
        row = self.row(server)
        assert (row.state, row.power_state) == (ServerState.RESCUED, PowerState.RUNNING)
        assert self.hosts["h1"].rescued == {server.id}
        assert self.hosts["h1"].guests[server.id] is PowerState.RUNNING

    def check_clean(self) -> None:
        super().check_clean()
        assert self.hosts["h1"].rescued == set()
        assert self.hosts["h1"].guests[self.servers[0].id] is PowerState.RUNNING


class UnrescueStage(SettledStage):
    """A rescued server; what fails leaves it rescued."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, UNRESCUE, rescue.accept_unrescue, PowerState.RUNNING)
        server = self.servers[0]
        self._before = ServerState.RESCUED
        self.hosts["h1"].rescued.add(server.id)
        database.transact(lambda tx: records.update(tx, server.id, state=ServerState.RESCUED))

    def check_success(self) -> None:
        super().check_success()
        assert self.hosts["h1"].rescued == set()


class RebuildStage(SettledStage):
    """A running server that gets another image and another name. Before the record is written nothing is changed."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, REBUILD, self._rebuild, PowerState.RUNNING)
        self.image = ImageId(str(uuid.uuid4()))

    def _rebuild(self, desk, context, server_id) -> None:
        wanted = dataclasses.replace(self.row(self.servers[0]), image_id=self.image, name="another")
        rebuild.accept(desk, context, rebuild.RebuildOrder(server=wanted, admin_pass="secret"))

    def check_success(self) -> None:
        """A host that never comes back leaves an ERROR that says so."""
        server = self.servers[0]
        row = self.row(server)
        assert (row.image_id, row.name) == (self.image, "another")
        assert row.host == "h1" and self.claimed(server) == ["h1"]
        if row.state is ServerState.ERROR:
            assert row.fault is not None
            return
        assert (row.state, row.power_state) == (ServerState.ACTIVE, PowerState.RUNNING)
        assert self.hosts["h1"].images_of[server.id] == self.image

    def check_clean(self) -> None:
        super().check_clean()
        row = self.row(self.servers[0])
        assert (row.image_id, row.name) == (self.servers[0].image_id, self.servers[0].name)
        assert self.hosts["h1"].images_of == {}


def accept_rescue(desk, context, server_id) -> None:
    rescue.accept_rescue(desk, context, server_id, rescue.RescueOrder(image_id=ImageId(str(uuid.uuid4())), admin_pass="secret"))


@dataclasses.dataclass(frozen=True)
class ActionScenario:
    workflow: object
    stage: object

    @property
    def name(self) -> str:
        return self.workflow.name

    def build(self, database: Database) -> SettledStage:
        return self.stage(database)


SCENARIOS = (
    ActionScenario(SOFT_DELETE, SoftDeleteStage),
    ActionScenario(RESTORE, RestoreStage),
    ActionScenario(ATTACH_INTERFACE, AttachStage),
    ActionScenario(DETACH_INTERFACE, DetachStage),
    ActionScenario(ADD_FIXED_IP, adding),
    ActionScenario(REMOVE_FIXED_IP, removing),
    ActionScenario(RESCUE, RescueStage),
    ActionScenario(UNRESCUE, UnrescueStage),
    ActionScenario(REBUILD, RebuildStage),
)
