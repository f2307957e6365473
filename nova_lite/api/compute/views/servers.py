"""What servers look like: parts of a view in one table, chosen by microversion, view and caller once a request."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite.api.compute import links, tasks, times
from nova_lite.api.microversion import Version, parse
from nova_lite.api.route import Request
from nova_lite.model.image import KERNEL, RAMDISK
from nova_lite.model.server import Server
from nova_lite.servers import states
from nova_lite.servers.states import Shown

View = dict[str, Any]
EXTENDED = "os_compute_api:os-extended-server-attributes"
HOST_STATUS = "os_compute_api:servers:show:host_status"
EXTRA_SPECS = "os_compute_api:os-flavor-extra-specs:index"
ROOT_DEVICE = "/dev/vda"

SHOW, DETAIL, UPDATE = "show", "detail", "update"
READS = frozenset({SHOW, DETAIL})
EVERY = frozenset({SHOW, DETAIL, UPDATE})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is the same for all servers of an answer. `hosts`: host name to its status; `group`: the only server's."""

    service_url: str
    url_root: str
    extra_specs: bool
    hosts: Mapping[str, str]
    group: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Some fields of a view: where, in which microversions, and with which rule they are shown."""

    add: Callable[[View, Server, Shown, Look], None]
    since: str = "2.1"
    until: str = "2.9999"
    views: frozenset[str] = EVERY
    rule: str | None = None


def summary(request: Request) -> Callable[[Server], View]:
    """Give the maker of the short view that lists have."""
    service_url, url_root = request.service_url, request.url_root

    def view(server: Server) -> View:
        return {"id": server.id, "name": server.name, "links": _links(server.id, service_url, url_root)}

    return view


def full(request: Request, view: str, hosts: Mapping[str, str], group: str | None = None) -> Callable[[Server], View]:
    """Give the maker of a whole view: SHOW, DETAIL or UPDATE.

    `hosts` may be empty where no status is shown; `group` is the only server's, where groups are shown.
    """
    chosen = [part.add for part in _parts(request.version, view) if part.rule is None or request.may(part.rule)]
    look = Look(
        service_url=request.service_url,
        url_root=request.url_root,
        extra_specs=request.may(EXTRA_SPECS),
        hosts=hosts,
        group=group,
    )
    shown_as, shown = tasks.shown_as, states.shown

    def make(server: Server) -> View:
        made: View = {}
        state = shown(server, shown_as)
        for add in chosen:
            add(made, server, state, look)
        return made

    return make


def shows_host_status(request: Request) -> bool:
    """Whether answers to this caller tell the status of hosts."""
    return request.version >= _since(_host_status) and request.may(HOST_STATUS)


def shows_group(request: Request) -> bool:
    """Whether answers tell the group of a server."""
    return request.version >= _since(_server_groups)


def shows_user_data(request: Request) -> bool:
    """Whether answers to this caller hold user data, which lists do not read for others."""
    return request.version >= _since(_extended_more) and request.may(EXTENDED)


@functools.cache
def _parts(version: Version, view: str) -> tuple[Part, ...]:
    return tuple(part for part in PARTS if view in part.views and parse(part.since) <= version <= parse(part.until))


@functools.cache
def _since(add: Callable[..., None]) -> Version:
    return next(parse(part.since) for part in PARTS if part.add is add)


def _links(server_id: str, service_url: str, url_root: str) -> list[links.Link]:
    return [
        {"rel": "self", "href": f"{service_url}/servers/{server_id}"},
        {"rel": "bookmark", "href": f"{url_root}/compute/servers/{server_id}"},
    ]


def _core(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["id"] = server.id
    made["name"] = server.name
    made["status"] = shown.status
    made["tenant_id"] = server.project_id
    made["user_id"] = server.user_id
    made["metadata"] = server.metadata
    made["hostId"] = host_id(server.project_id, server.host) if server.host else ""
    made["created"] = times.iso(server.created_at)
    made["updated"] = times.iso(server.updated_at)
    made["accessIPv4"] = server.access_ip_v4 or ""
    made["accessIPv6"] = server.access_ip_v6 or ""
    made["links"] = _links(server.id, look.service_url, look.url_root)
    made["OS-DCF:diskConfig"] = server.disk_config
    if shown.progress is not None:
        made["progress"] = shown.progress
    if server.fault is not None and shown.status in states.WITH_FAULT:
        made["fault"] = {
            "code": server.fault.code,
            "created": times.iso(server.fault.created_at),
            "message": server.fault.message,
        }


@functools.lru_cache(maxsize=65536)
def host_id(project_id: str, host: str) -> str:
    """Name a host for one project: the same for all its servers there, telling nothing of the host."""
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest()


def _fault_details(made: View, server: Server, shown: Shown, look: Look) -> None:
    """Tell the operator what the owner is not told."""
    if server.fault is not None and server.fault.details and shown.status in states.WITH_FAULT:
        made["fault"]["details"] = server.fault.details


def _flavor_link(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["flavor"] = {"id": server.flavor.id, "links": links.bookmark(look.url_root, "flavors", server.flavor.id)}


def _flavor_copy(made: View, server: Server, shown: Shown, look: Look) -> None:
    flavor = server.flavor
    made["flavor"] = {
        "vcpus": flavor.vcpus,
        "ram": flavor.ram_mib,
        "disk": flavor.disk_gib,
        "ephemeral": flavor.ephemeral_gib,
        "swap": flavor.swap_mib,
        "original_name": flavor.name,
    }
    if look.extra_specs:
        made["flavor"]["extra_specs"] = flavor.extra_specs


def _image(made: View, server: Server, shown: Shown, look: Look) -> None:
    image_id = server.image_id
    made["image"] = "" if image_id is None else {"id": image_id, "links": links.bookmark(look.url_root, "images", image_id)}


def _image_properties(made: View, server: Server, shown: Shown, look: Look) -> None:
    _image(made, server, shown, look)
    if server.image_id is not None:
        made["image"]["properties"] = server.image_properties


def _addresses(made: View, server: Server, shown: Shown, look: Look) -> None:
    found: dict[str, list[View]] = {}
    for address in server.addresses:
        found.setdefault(address.network, []).append(
            {
                "version": address.version,
                "addr": address.ip_address,
                "OS-EXT-IPS:type": "fixed",
                "OS-EXT-IPS-MAC:mac_addr": address.mac_address,
            }
        )
    made["addresses"] = found


def _addresses_short(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["addresses"] = short_addresses(server)


def short_addresses(server: Server) -> dict[str, list[View]]:
    """Give addresses by network without their kind and MAC."""
    found: dict[str, list[View]] = {}
    for address in server.addresses:
        found.setdefault(address.network, []).append({"version": address.version, "addr": address.ip_address})
    return found


def _extensions(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["OS-EXT-AZ:availability_zone"] = server.availability_zone or server.requested_zone or ""
    made["config_drive"] = "True" if server.config_drive else ""
    made["key_name"] = server.key_name
    made["OS-SRV-USG:launched_at"] = times.micro(server.launched_at)
    made["OS-SRV-USG:terminated_at"] = times.micro(server.terminated_at)
    made["OS-EXT-STS:task_state"] = shown.task_state
    made["OS-EXT-STS:vm_state"] = shown.vm_state
    made["OS-EXT-STS:power_state"] = shown.power_state
    made["os-extended-volumes:volumes_attached"] = []


def _extended(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["OS-EXT-SRV-ATTR:host"] = server.host
    made["OS-EXT-SRV-ATTR:instance_name"] = server.id
    made["OS-EXT-SRV-ATTR:hypervisor_hostname"] = server.host


def _extended_more(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["OS-EXT-SRV-ATTR:reservation_id"] = server.reservation_id
    made["OS-EXT-SRV-ATTR:launch_index"] = server.launch_index
    made["OS-EXT-SRV-ATTR:kernel_id"] = server.image_properties.get(KERNEL) or ""
    made["OS-EXT-SRV-ATTR:ramdisk_id"] = server.image_properties.get(RAMDISK) or ""
    made["OS-EXT-SRV-ATTR:root_device_name"] = ROOT_DEVICE
    made["OS-EXT-SRV-ATTR:user_data"] = server.user_data


def _hostname(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["OS-EXT-SRV-ATTR:hostname"] = server.hostname


def _locked(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["locked"] = server.locked


def _host_status(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["host_status"] = look.hosts.get(server.host, "UNKNOWN") if server.host else ""


def _description(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["description"] = server.description


def _tags(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["tags"] = server.tags


def _certificates(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["trusted_image_certificates"] = None


def _server_groups(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["server_groups"] = [] if look.group is None else [look.group]


def _locked_reason(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["locked_reason"] = server.locked_reason


def _pinned_zone(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["pinned_availability_zone"] = server.requested_zone


def _hints(made: View, server: Server, shown: Shown, look: Look) -> None:
    made["scheduler_hints"] = server.scheduler_hints


_UPDATE_ONLY = frozenset({UPDATE})
_ONE = frozenset({SHOW, UPDATE})

PARTS: tuple[Part, ...] = (
    Part(_core),
    Part(_fault_details, rule=EXTENDED),
    Part(_image, until="2.97"),
    Part(_image_properties, since="2.98"),
    Part(_flavor_link, until="2.46"),
    Part(_flavor_copy, since="2.47"),
    # An update's answer was shorter until 2.75 made it the same.
    Part(_addresses, views=READS),
    Part(_addresses_short, until="2.74", views=_UPDATE_ONLY),
    Part(_addresses, since="2.75", views=_UPDATE_ONLY),
    Part(_extensions, views=READS),
    Part(_extensions, since="2.75", views=_UPDATE_ONLY),
    Part(_extended, views=READS, rule=EXTENDED),
    Part(_extended, since="2.75", views=_UPDATE_ONLY, rule=EXTENDED),
    Part(_extended_more, since="2.3", views=READS, rule=EXTENDED),
    Part(_extended_more, since="2.75", views=_UPDATE_ONLY, rule=EXTENDED),
    Part(_hostname, since="2.3", until="2.89", views=READS, rule=EXTENDED),
    Part(_hostname, since="2.75", until="2.89", views=_UPDATE_ONLY, rule=EXTENDED),
    Part(_hostname, since="2.90"),
    Part(_locked, since="2.9"),
    Part(_host_status, since="2.16", views=READS, rule=HOST_STATUS),
    Part(_host_status, since="2.75", views=_UPDATE_ONLY, rule=HOST_STATUS),
    Part(_description, since="2.19"),
    Part(_tags, since="2.26"),
    Part(_certificates, since="2.63"),
    Part(_server_groups, since="2.71", views=_ONE),
    Part(_locked_reason, since="2.73"),
    Part(_pinned_zone, since="2.96"),
    Part(_hints, since="2.100"),
)
