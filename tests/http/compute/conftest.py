"""A small world for the Compute API: images, a network, two hosts, and servers in several states."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from nova_lite import errors
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.durable import journal
from nova_lite.image import records as image_records
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.stores.several import Stores
from nova_lite.inventory import hosts
from nova_lite.model.console import ConsolePlace
from nova_lite.model.diagnostics import CpuUse, Diagnostics, DiskUse, Flow, NicUse
from nova_lite.model.guest import GuestInterface, PowerState
from nova_lite.model.host import HostFacts
from nova_lite.model.image import Image, ImageStatus, Visibility
from nova_lite.model.network import FixedIp, Port
from nova_lite.model.resources import Resources
from nova_lite.model.server import Fault, RequestedNetwork, Server, ServerAddress, ServerState
from nova_lite.network import bootstrap as network_bootstrap
from nova_lite.network.port import BoundPort
from nova_lite.servers import flavors, records
from nova_lite.workflows.power import REBOOT, PowerParams

GIB = 1 << 30
IMAGES = {
    "image": {"properties": {"os_distro": "tiny"}},
    "queued_image": {"status": ImageStatus.QUEUED},
    "large_image": {"virtual_size_bytes": 3 * GIB},
    "hungry_image": {"min_ram_mib": 4096},
    "roomy_image": {"min_disk_gib": 2},
    "kernel_image": {"virtual_size_bytes": None, "disk_format": "aki", "container_format": "aki"},
    "pinned_image": {"properties": {"hw_cpu_policy": "dedicated", "hw_machine_type": "q35"}},
    "paged_image": {"properties": {"hw_mem_page_size": "small"}},
    "odd_image": {"properties": {"hw_disk_bus": "carrier-pigeon"}},
}
NETWORK = str(uuid.UUID(int=500))
PORT = str(uuid.UUID(int=501))


def number(index):
    return str(uuid.UUID(int=index))


class Images:
    """Images by name, each with an id that stories know."""

    store = Stores([FilesystemStore(Path("/nowhere"))])  # nothing is kept

    def __init__(self):
        self.ids = {name: number(900 + index) for index, name in enumerate(IMAGES)}

    def get_for(self, project_id, image_id, *, admin=False):
        for name, fields in IMAGES.items():
            if self.ids[name] == image_id:
                usual = {
                    "status": ImageStatus.ACTIVE,
                    "visibility": Visibility.PUBLIC,
                    "owner": None,
                    "disk_format": "qcow2",
                    "container_format": "bare",
                    "size_bytes": 1 << 20,
                    "virtual_size_bytes": 41 << 20,
                }
                return Image(id=image_id, name=name, **(usual | fields))
        raise errors.NotFound(f"No image {image_id}.")

    def delete(self, tx, image):
        image_records.delete(tx, image)

    def find(self, tx, image_id):
        return None

    def create(self, tx, image):
        image_records.create(tx, image)


class Network:
    """One network with one free port, and what a server is given more."""

    def __init__(self):
        self.taken = []

    def take_port(self, tx, order):
        (one,) = order.requested or (RequestedNetwork(network_id=NETWORK),)
        if one.port_id == PORT or one.fixed_ip == "10.0.0.5":
            raise errors.Conflict("It is in use by a server.")
        if one.port_id is not None or one.network_id != NETWORK:
            raise errors.NotFound(f"Network or port {one.network_id or one.port_id} could not be found.")
        if not (one.fixed_ip or "10.0.0.6").startswith("10.0.0."):
            raise errors.BadRequest("It is not an address of the network.")
        port = _port(number(503), "fa:16:3e:00:00:06", one.fixed_ip or "10.0.0.6", order.server_id, "DOWN")
        self.taken = [port]
        return _bound(port)

    def bound_ports(self, server_id, requested=()):
        return tuple(_bound(port) for port in self.ports_of(server_id))

    def take_address(self, tx, port_id):
        return "10.0.0.7"

    def resolve(self, project_id, requested, *, auto):
        if not requested:
            return (RequestedNetwork(network_id=NETWORK),)
        for one in requested:
            if one.port_id not in (None, PORT) or one.network_id not in (None, NETWORK):
                raise errors.NotFound(f"Network or port {one.network_id or one.port_id} could not be found.")
        return requested

    def ports_of(self, server_id):
        """The servers with an address have a port."""
        if server_id != number(100):
            return ()
        first = _port(PORT, "fa:16:3e:00:00:05", "10.0.0.5", server_id, "ACTIVE")
        return (first, *(port for port in self.taken if port.server_id == server_id))


def _bound(port):
    interface = GuestInterface(
        port_id=port.id,
        network_id=NETWORK,
        bridge="br",
        mac_address=port.mac_address,
        ip_address=port.fixed_ips[0].ip_address,
        prefix_length=24,
        gateway_ip=None,
    )
    return BoundPort(interface=interface, network_name="private")


def _port(port_id, mac, address, server_id, status):
    return Port(
        id=port_id,
        network_id=NETWORK,
        project_id=None,
        name="",
        mac_address=mac,
        fixed_ips=(FixedIp(subnet_id=number(502), ip_address=address),),
        server_id=server_id,
        status=status,
    )


class Compute:
    """A host that answers with the end of a console."""

    def get_console_output(self, host, message, *, timeout_s=5.0):
        text = "one\ntwo\nlogin: \n"
        return text if message.lines is None else "".join(text.splitlines(keepends=True)[-message.lines :])

    def get_console(self, host, message, *, timeout_s=5.0):
        assert not message.lets_in  # only the proxy is
        return ConsolePlace(address="192.0.2.1", port=40000, fingerprint="0" * 64)

    def get_diagnostics(self, host, message, *, timeout_s=5.0):
        flow = Flow(octets=10, packets=2)
        return Diagnostics(
            driver="libvirt",
            hypervisor="kvm",
            hypervisor_os="linux",
            uptime_s=None,
            memory_mib=128,
            cpus=(CpuUse(id=0, time_ns=17),),
            disks=(DiskUse(device="vda", read_bytes=512, read_requests=1),),
            nics=(NicUse(device="tap0", mac_address="fa:16:3e:00:00:05", received=flow, sent=Flow()),),
        )

    def cache_images(self, host, message, envelope=None):
        """Be told."""

    def get_uptime(self, host, *, timeout_s=5.0):
        if host == "host2":
            raise errors.Unavailable
        return " 08:32:11 up 93 days, 18:25,  0 users,  load average: 0.20, 0.12, 0.14"


@pytest.fixture
def extra_parts():
    return {"images": Images(), "network": Network(), "compute": Compute()}


@pytest.fixture
def variables(database, world):
    flavors.bootstrap(database)
    network_bootstrap.bootstrap(database)
    known = {name: number(900 + index) for index, name in enumerate(IMAGES)} | {"network": NETWORK, "port": PORT}
    known |= {"long_user_data": "QUFB" * 16384, "longest_user_data": "QUFB" * 16383, "name_of_300": "n" * 300}
    known |= {"nested": '{"server": {"metadata": ' + "[" * 5000 + "]" * 5000 + "}}", "megabytes_20": " " * (20 << 20)}
    known |= {"long_key": "k" * 256, "items_129": {f"k{number}": "v" for number in range(129)}}
    database.transact(_add_hosts)
    known |= database.transact(lambda tx: _add_image(tx, world.names))
    return known | database.transact(lambda tx: _add_servers(tx, world.names)) | _of_hosts(database)


def _add_hosts(tx):
    for name, zone in (("host1", "nova"), ("host2", "simulated")):
        hosts.add_host(tx, name, zone=zone)
        facts = HostFacts(
            hypervisor_type="QEMU",
            hypervisor_version=7002022,
            hypervisor_hostname=name,
            architectures=("x86_64",),
            cpu_info='{"model": "qemu64"}',
            total=Resources(vcpus=4, ram_mib=8192, disk_gib=100),
            reserved=Resources(ram_mib=512),
            zone=zone,
        )
        hosts.register(tx, name, facts, SchedulerOptions())


def _add_image(tx, names):
    """Add an image to the records, which is what the proxy of images shows."""
    image = Image(
        id=number(950),
        name="old",
        owner=names["demo_project"],
        status=ImageStatus.QUEUED,
        visibility=Visibility.SHARED,
        disk_format="raw",
        container_format="bare",
        min_ram_mib=64,
        properties={"color": "red"},
        created_at=1_700_000_000.0,
        updated_at=1_700_000_000.0,
    )
    image_records.create(tx, image)
    return {"old_image": image.id}


def _of_hosts(database):
    with database.read() as tx:
        return {f"{host.name}_uuid": host.uuid for host in hosts.list_hosts(tx)}


def _add_servers(tx, names):
    flavor = flavors.get(tx, "1")
    address = ServerAddress(network="private", ip_address="10.0.0.5", mac_address="fa:16:3e:00:00:05")
    made = {}

    def add(name, **fields):
        server_id = number(100 + len(made))
        usual = {
            "project_id": names["demo_project"],
            "user_id": names["demo_user"],
            "state": ServerState.ACTIVE,
            "power_state": PowerState.RUNNING,
            "flavor": flavor,
            "image_id": number(900),
            "image_properties": {"os_distro": "tiny"},
            "created_at": 1_700_000_000.0 + len(made),
            "updated_at": 1_700_000_100.0 + len(made),
        }
        records.insert(tx, Server(id=server_id, name=name, hostname=name, **(usual | fields)))
        made[name] = server_id

    add(
        "active",
        host="host1",
        addresses=(address,),
        metadata={"color": "red"},
        tags=("one", "two"),
        key_name="key",
        user_data="IyEvYmluL3NoCg==",
        launched_at=1_700_000_050.5,
        reservation_id="r-12345678",
        description="the first",
        requested_zone="nova",
        scheduler_hints={"query": "[]"},
    )
    add("stopped", host="host1", state=ServerState.STOPPED, power_state=PowerState.SHUTDOWN)
    fault = Fault(code=500, message="No host can take the server.", details="host1: lacks memory", created_at=1_700_000_060.0)
    add("broken", state=ServerState.ERROR, power_state=PowerState.NOSTATE, fault=fault)
    add("building", state=ServerState.BUILDING, power_state=PowerState.NOSTATE)
    add("gone", state=ServerState.DELETED, power_state=PowerState.NOSTATE, terminated_at=1_700_000_090.0)
    add("foreign", project_id=names["other_project"], user_id=names["other_user"], host="host2")
    add("locked", host="host1", locked=True, locked_reason="because", locked_by="admin")
    add("rebooting", host="host1")
    journal.accept(
        tx,
        journal.NewOperation(
            workflow=REBOOT,
            subject_kind="server",
            subject_id=made["rebooting"],
            params=PowerParams(server_id=made["rebooting"], host="host1"),
            project_id=names["demo_project"],
            user_id=names["demo_user"],
            request_id="req-00000000-0000-0000-0000-000000000001",
        ),
    )
    return made
