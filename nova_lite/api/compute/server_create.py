"""Creating servers: the request is checked against flavor, image, key, networks and limits, then accepted at once."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api.compute import access_addresses, block_devices, boot_parts, flags, injected_files, links, scheduler_hints
from nova_lite.api.compute.schemas.servers import USER_DATA_MAX
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.inventory import hosts
from nova_lite.model.flavor import Flavor
from nova_lite.model.hardware import reading
from nova_lite.model.host import Host
from nova_lite.model.ids import HostName, ProjectId, ServerId, UserId
from nova_lite.model.image import Image
from nova_lite.model.server import RequestedNetwork, Server, ServerState
from nova_lite.quota import usage
from nova_lite.quota.limits import UNLIMITED
from nova_lite.servers import flavors, keypairs, names
from nova_lite.servers.keypairs import Keypair
from nova_lite.workflows import create

MOST_AT_ONCE = 1000
GIB = 1 << 30
FORCED_HOST = "os_compute_api:servers:create:forced_host"
DESTINATION = "compute:servers:create:requested_destination"
NO_DISK = "os_compute_api:servers:create:zero_disk_flavor"
DESCRIPTION_IS_NAME = ByVersion({"2.1": True, "2.19": False})  # until one could be given, it was the name


def create_servers(request: Request) -> Answer:
    """Accept one server or several alike: 202 once they and their operations are in the database."""
    asked = request.body["server"]
    _refuse_unoffered(asked)
    least, most = _counts(asked)
    password = asked.get("adminPass") or names.password()
    server = _server(request, asked, several=most > 1)
    with request.parts.database.read() as tx:
        hints = scheduler_hints.read(request, tx, server.scheduler_hints)
    order = create.CreateOrder(
        servers=_copies(server, most, own_hostname="hostname" in asked),
        min_count=least,
        admin_pass=password,
        hints=hints,
    )
    ids = create.accept(request.parts.desk, request.context, order)
    if flags.read(asked.get("return_reservation_id", False), "return_reservation_id"):
        return Answer(status=202, body={"reservation_id": server.reservation_id})
    body = {
        "id": ids[0],
        "links": links.both(request, "servers", ids[0]),
        "OS-DCF:diskConfig": server.disk_config,
        "adminPass": password,
    }
    return Answer(status=202, body={"server": body}, headers={"Location": f"{request.service_url}/servers/{ids[0]}"})


def _refuse_unoffered(asked: Mapping[str, Any]) -> None:
    """Say clearly what this cloud does not do. Raises: BadRequest, Forbidden."""
    if asked.get("trusted_image_certificates"):
        raise errors.BadRequest("Image certificates are not checked by this cloud; leave trusted_image_certificates out.")
    for group in asked.get("security_groups", ()):
        if group.get("name") != "default":
            raise errors.BadRequest(f"Security group {group.get('name')} not found.")


def _counts(asked: Mapping[str, Any]) -> tuple[int, int]:
    least = int(asked.get("min_count", 1))
    most = int(asked.get("max_count", least))
    if least > most:
        raise errors.BadRequest("min_count must be <= max_count")
    if least > MOST_AT_ONCE:
        raise errors.BadRequest(f"At most {MOST_AT_ONCE} servers can be asked for at once.")
    return least, min(most, MOST_AT_ONCE)


def _server(request: Request, asked: Mapping[str, Any], *, several: bool) -> Server:
    """Make the first server of the request. Raises: BadRequest, Forbidden, NotFound, Conflict."""
    context, now = request.context, request.parts.clock.wall()
    devices = block_devices.read(request, asked)
    image_id = _image_id(asked)
    user_data = read_user_data(asked)
    if several and "hostname" in asked:
        raise errors.BadRequest("A hostname can be given to one server only, not to several.")
    with request.parts.database.read() as tx:
        flavor = _flavor(tx, request, asked["flavorRef"])
        key = _keypair(tx, request, asked.get("key_name"))
        check_metadata(tx, request, asked.get("metadata", {}))
        files = injected_files.read(tx, context.project_id or "", asked)
        zone, host = _place(tx, request, asked)
    image = bootable_image(request, image_id, flavor)
    reading.read(flavor, image.properties)  # what they contradict each other in is said before anything is made
    networks = _networks(request, asked.get("networks"), several=several)
    server_id = ServerId(str(uuid.uuid4()))
    described = asked.get("description") if not DESCRIPTION_IS_NAME.at(request.version) else asked["name"]
    return Server(
        id=server_id,
        project_id=ProjectId(context.project_id or ""),
        user_id=UserId(context.user_id or ""),
        name=asked["name"],
        hostname=asked.get("hostname") or names.hostname_of(asked["name"], server_id),
        description=described,
        state=ServerState.BUILDING,
        flavor=flavor,
        image_id=image.id,
        image_properties=image.properties,
        requested_zone=zone,
        requested_host=host,
        requested_networks=networks,
        no_network=not networks,
        blank_disks=None if devices is None else block_devices.blank_disks(devices, flavor),
        key_name=key.name if key else None,
        key_type=key.type if key else None,
        key_data=key.public_key if key else None,
        user_data=user_data,
        files=files,
        config_drive=bool(files) or flags.read(asked.get("config_drive", False), "config_drive"),
        metadata=asked.get("metadata", {}),
        tags=tuple(dict.fromkeys(asked.get("tags", ()))),
        disk_config=asked.get("OS-DCF:diskConfig", "MANUAL"),
        reservation_id=names.reservation(),
        access_ip_v4=access_addresses.short(asked.get("accessIPv4")),
        access_ip_v6=access_addresses.short(asked.get("accessIPv6")),
        scheduler_hints=scheduler_hints.given(request.body),
        created_at=now,
        updated_at=now,
    )


def _copies(server: Server, count: int, *, own_hostname: bool) -> tuple[Server, ...]:
    """Make the servers of a request: one as it is, several with numbers behind their names."""
    if count == 1:
        return (server,)
    made = []
    for index in range(count):
        server_id = server.id if index == 0 else ServerId(str(uuid.uuid4()))
        name = f"{server.name[:250]}-{index + 1}"
        hostname = server.hostname if own_hostname else names.hostname_of(name, server_id)
        copy = dataclasses.replace(server, id=server_id, name=name, hostname=hostname, launch_index=index)
        made.append(copy)
    return tuple(made)


def _image_id(asked: Mapping[str, Any]) -> str:
    """Give the image to boot from; devices that are mapped never take its place here."""
    named = asked.get("imageRef") or None
    if named is None:
        raise errors.BadRequest("Missing imageRef attribute")
    return str(named)


def _flavor(tx: Tx, request: Request, reference: object) -> Flavor:
    flavor_id = str(reference).rstrip("/").rsplit("/", 1)[-1]
    seen_by = None if request.context.is_admin else request.context.project_id
    try:
        flavor = flavors.get(tx, flavor_id, seen_by=seen_by)
    except errors.NotFound as error:
        raise errors.BadRequest(error.message) from error
    if flavor.disabled:
        raise errors.BadRequest(f"Flavor {flavor_id} is disabled.")
    return flavor


def _keypair(tx: Tx, request: Request, name: str | None) -> Keypair | None:
    if name is None:
        return None
    try:
        return keypairs.get(tx, request.context.user_id or "", name)
    except errors.NotFound as error:
        raise errors.BadRequest("Invalid key_name provided.") from error


def check_metadata(tx: Tx, request: Request, metadata: Mapping[str, str]) -> None:
    """See that there are no more items than the project may have. Raises: OverQuota."""
    if not metadata:
        return
    limit = usage.limits_of(tx, request.context.project_id or "")["metadata_items"]
    if limit != UNLIMITED and len(metadata) > limit:
        raise errors.OverQuota(f"Maximum number of metadata items exceeds {limit}")


def _place(tx: Tx, request: Request, asked: Mapping[str, Any]) -> tuple[str | None, HostName | None]:
    """Read the zone (`zone:host` and the like for admins) and the host that are asked for. Raises: BadRequest, Forbidden."""
    zone, *named = _zone_and_host(asked.get("availability_zone") or "")
    destination = [asked[field] for field in ("host", "hypervisor_hostname") if field in asked]
    if named:
        request.enforce(FORCED_HOST)
    if destination:
        request.enforce(DESTINATION)
    if named and destination:
        raise errors.BadRequest("A host can be named with the availability zone or by itself, not both.")
    if not zone and not named and not destination:
        return None, None
    known = hosts.list_hosts(tx)
    if zone and zone not in {one.facts.zone for one in known}:
        raise errors.BadRequest("The requested availability zone is not available")
    return zone or None, _known_host(known, [*named, *destination])


def _zone_and_host(text: str) -> list[str]:
    """Read `zone`, `zone:host`, `zone:host:node` or `zone::node`, the zone maybe empty. Raises: BadRequest."""
    zone, *named = text.split(":")
    if len(named) > 2:
        raise errors.BadRequest("The availability zone has too many colons: zone:host:node is the longest form.")
    return [zone, *(name for name in named if name)]


def _known_host(known: tuple[Host, ...], wanted: list[str]) -> HostName | None:
    """Find the one host that all the names mean. Raises: BadRequest."""
    if not wanted:
        return None
    for host in known:
        if all(name in (host.name, host.facts.hypervisor_hostname) for name in wanted):
            return host.name
    raise errors.BadRequest(f"Compute host {wanted[0]} could not be found.")


def bootable_image(request: Request, image_id: str, flavor: Flavor) -> Image:
    """Find the image and see that it fits the flavor. Raises: BadRequest; Forbidden for a flavor without a disk size."""
    found = boot_parts.active_image(request, image_id)
    if not found.is_disk:
        raise errors.BadRequest(f"Image {image_id} is no disk ({found.disk_format}, {found.container_format}) to boot from.")
    boot_parts.check(request, found)
    if found.min_ram_mib > flavor.ram_mib:
        raise errors.BadRequest(
            f"Flavor's memory is too small for requested image: {flavor.ram_mib} MiB, {found.min_ram_mib} MiB are needed."
        )
    if flavor.disk_gib == 0:
        request.enforce(NO_DISK)
        return found
    needed = max(found.min_disk_gib * GIB, found.virtual_size_bytes or 0)
    if needed > flavor.disk_gib * GIB:
        raise errors.BadRequest(
            f"Flavor's disk is too small for requested image: {flavor.disk_gib} GiB, {-(-needed // GIB)} GiB are needed."
        )
    return found


def _networks(request: Request, asked: Any, *, several: bool) -> tuple[RequestedNetwork, ...]:
    """Read and resolve the networks. Raises: BadRequest, NotFound, Conflict, Forbidden."""
    if asked == "none":
        return ()
    named = () if asked in (None, "auto") else tuple(_network(item) for item in asked)
    if named:
        request.enforce("os_compute_api:servers:create:attach_network")
    ports = [network.port_id for network in named if network.port_id is not None]
    if len(set(ports)) < len(ports):
        raise errors.BadRequest("A port is named twice: a server can have each port once.")
    if several and any(network.port_id or network.fixed_ip for network in named):
        raise errors.BadRequest("Several servers cannot share one port or fixed IP address.")
    project_id = ProjectId(request.context.project_id or "")
    try:
        resolved: tuple[RequestedNetwork, ...] = request.parts.network.resolve(project_id, named, auto=asked == "auto")
    except errors.NotFound as error:
        raise errors.BadRequest(error.message) from error
    return resolved


def _network(item: Mapping[str, Any]) -> RequestedNetwork:
    network_id, port_id = item.get("uuid"), item.get("port")
    if network_id is None and port_id is None:
        raise errors.BadRequest("Bad network format: missing 'uuid'")
    if port_id is not None and item.get("fixed_ip"):
        raise errors.BadRequest(f"Specified Fixed IP '{item['fixed_ip']}' cannot be used with port '{port_id}'.")
    if port_id is not None:
        return RequestedNetwork(port_id=port_id, tag=item.get("tag"))
    return RequestedNetwork(network_id=network_id, fixed_ip=item.get("fixed_ip"), tag=item.get("tag"))


def read_user_data(asked: Mapping[str, Any]) -> str | None:
    """Check user data; the message never repeats it. Raises: BadRequest."""
    text = asked.get("user_data")
    if text is None:
        return None
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.BadRequest("Invalid input for field/attribute user_data: it is not base64.") from error
    if len(text) > USER_DATA_MAX:
        raise errors.BadRequest(f"user_data is longer than {USER_DATA_MAX} characters.")
    return str(text)
