"""What a guest is told of itself: the OpenStack and EC2 trees, made of its spec alone.

The metadata service and the config drive show the same documents. Sources: the Compute user guide, "Metadata" (formats and
versions), and the EC2 instance metadata categories.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from typing import Any

import orjson

from nova_lite.model.guest import GuestInterface, GuestSpec

OPENSTACK_VERSIONS = (
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "latest",
)
EC2_VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "latest",
)
FIRST_WITH = {"vendor_data.json": "2013-10-17", "network_data.json": "2015-10-15", "vendor_data2.json": "2016-10-06"}

IPV6 = 6
PASSWORD, PASSWORD_SINCE = "password", "2013-04-04"

Tree = Mapping[str, Any]  # name -> bytes (a leaf) or another Tree


def config_drive(spec: GuestSpec, seed: bytes = b"") -> dict[str, bytes]:
    """Give the files of a config drive by path. Secret: the administrator's password is in meta_data.json.

    `seed` is random bytes for the guest's entropy pool.
    """
    files = {
        f"openstack/{version}/{name}": content
        for version in (OPENSTACK_VERSIONS[-2], "latest")
        for name, content in _openstack_files(spec, version, seed, password=True).items()
    }
    for number, file in enumerate(spec.files):
        files[f"openstack{_content_path(number)}"] = base64.b64decode(file.contents)
    for version in (EC2_VERSIONS[-2], "latest"):
        files[f"ec2/{version}/meta-data.json"] = orjson.dumps(_as_json(_ec2_meta_data(spec)))
        user_data = _user_data(spec)
        if user_data is not None:
            files[f"ec2/{version}/user-data"] = user_data
    return files


def lookup(spec: GuestSpec, path: str, seed: bytes = b"") -> bytes | None:
    """Answer a request to the metadata service: a document, or the list of a folder; None where there is nothing.

    `path` is that of the URL, with or without slashes at its ends. The administrator's password is never in it.
    """
    parts = [part for part in path.split("/") if part]
    if not parts:
        return "\n".join(EC2_VERSIONS).encode("ascii")
    if parts[0] == "openstack":
        return _openstack_lookup(spec, parts[1:], seed)
    if parts[0] not in EC2_VERSIONS:
        return None
    return _walk(_ec2_tree(spec), parts[1:])


def _openstack_lookup(spec: GuestSpec, parts: list[str], seed: bytes) -> bytes | None:
    if not parts:
        return "\n".join(OPENSTACK_VERSIONS).encode("ascii")
    if parts[0] not in OPENSTACK_VERSIONS:
        return None
    files = _openstack_files(spec, parts[0], seed, password=False)
    return _walk(files | ({PASSWORD: b""} if parts[0] >= PASSWORD_SINCE else {}), parts[1:])


def is_password(path: str) -> bool:
    """Whether a path of the metadata service is where the guest writes its password, and finds it again."""
    parts = [part for part in path.split("/") if part]
    return (
        len(parts) == len(("openstack", "latest", PASSWORD))
        and (parts[0], parts[2]) == ("openstack", PASSWORD)
        and parts[1] in OPENSTACK_VERSIONS
        and parts[1] >= PASSWORD_SINCE
    )


def _openstack_files(spec: GuestSpec, version: str, seed: bytes, *, password: bool) -> dict[str, bytes]:
    documents: dict[str, Any] = {
        "meta_data.json": _meta_data(spec, seed, password=password),
        "vendor_data.json": {},
        "network_data.json": _network_data(spec),
        "vendor_data2.json": {"static": {}},
    }
    files = {
        name: orjson.dumps(document)
        for name, document in documents.items()
        if version == "latest" or version >= FIRST_WITH.get(name, "")
    }
    user_data = _user_data(spec)
    if user_data is not None:
        files["user_data"] = user_data
    return files


def _meta_data(spec: GuestSpec, seed: bytes, *, password: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "uuid": spec.server_id,
        "hostname": spec.hostname,
        "name": spec.name,
        "launch_index": spec.launch_index,
        "availability_zone": spec.availability_zone,
        "project_id": spec.project_id,
        "devices": [_device(interface) for interface in spec.interfaces if interface.tag],
        "dedicated_cpus": [],
    }
    if spec.metadata:
        document["meta"] = dict(spec.metadata)
    if spec.keys:
        document["public_keys"] = {key.name: key.data for key in spec.keys}
        document["keys"] = [{"name": key.name, "type": key.type, "data": key.data} for key in spec.keys]
    if seed:
        document["random_seed"] = base64.b64encode(seed).decode("ascii")
    if password and spec.admin_pass:
        document["admin_pass"] = spec.admin_pass
    if password and spec.files:
        document["files"] = [
            {"content_path": _content_path(number), "path": file.path} for number, file in enumerate(spec.files)
        ]
    return document


def _content_path(number: int) -> str:
    """Give where on the config drive, below its folder `openstack`, a file's content stands."""
    return f"/content/{number:04d}"


def _device(interface: GuestInterface) -> dict[str, Any]:
    """Tell of an interface that its user tagged; the guest finds it by its MAC, the place on a bus is the hypervisor's."""
    return {"type": "nic", "bus": "none", "address": "none", "mac": interface.mac_address, "tags": [interface.tag]}


def _network_data(spec: GuestSpec) -> dict[str, Any]:
    links, networks, services = [], [], {}
    for number, interface in enumerate(spec.interfaces):
        link = f"tap{interface.port_id[:11]}"
        links.append(
            {
                "id": link,
                "vif_id": interface.port_id,
                "type": "bridge",
                "mtu": interface.mtu,
                "ethernet_mac_address": interface.mac_address,
            }
        )
        networks.append(_dynamic(number, link, interface) if interface.dhcp else _static(number, link, interface))
        services.update({address: {"type": "dns", "address": address} for address in interface.dns_nameservers})
    return {"links": links, "networks": networks, "services": list(services.values())}


def _dynamic(number: int, link: str, interface: GuestInterface) -> dict[str, Any]:
    """Tell of an address that our own DHCP hands out, with all else: so the guest is told to ask for it."""
    version = ipaddress.ip_address(interface.ip_address).version
    return {"id": f"network{number}", "type": f"ipv{version}_dhcp", "link": link, "network_id": interface.network_id}


def _static(number: int, link: str, interface: GuestInterface) -> dict[str, Any]:
    """Tell of an address that the guest has to set itself. Source: the Compute guide, "Metadata" (network_data.json)."""
    own = ipaddress.ip_interface(f"{interface.ip_address}/{interface.prefix_length}")
    ways = [(ipaddress.ip_network(route.destination), route.nexthop) for route in interface.routes]
    if interface.gateway_ip is not None:
        ways.insert(0, (ipaddress.ip_network("::/0" if own.version == IPV6 else "0.0.0.0/0"), interface.gateway_ip))
    return {
        "id": f"network{number}",
        "type": f"ipv{own.version}",
        "link": link,
        "ip_address": str(own.ip),
        "netmask": str(own.netmask),
        "routes": [
            {"network": str(to.network_address), "netmask": str(to.netmask), "gateway": gateway} for to, gateway in ways
        ],
        "network_id": interface.network_id,
        "services": [{"type": "dns", "address": address} for address in interface.dns_nameservers],
    }


def _user_data(spec: GuestSpec) -> bytes | None:
    if spec.user_data is None:
        return None
    try:
        return base64.b64decode(spec.user_data)
    except (binascii.Error, ValueError):
        return None


def _ec2_tree(spec: GuestSpec) -> dict[str, Any]:
    tree: dict[str, Any] = {"meta-data": _ec2_meta_data(spec)}
    user_data = _user_data(spec)
    if user_data is not None:
        tree["user-data"] = user_data
    return tree


def _ec2_boot_parts(spec: GuestSpec) -> dict[str, str]:
    if spec.direct is None:
        return {}
    kernel = {"kernel-id": f"aki-{_short(spec.direct.kernel.image_id)}"}
    ramdisk = spec.direct.ramdisk
    return kernel if ramdisk is None else kernel | {"ramdisk-id": f"ari-{_short(ramdisk.image_id)}"}


def _ec2_meta_data(spec: GuestSpec) -> dict[str, Any]:
    address = spec.interfaces[0].ip_address if spec.interfaces else ""
    number = int(spec.server_id.replace("-", "")[:8], 16)
    tree: dict[str, Any] = {
        "ami-id": f"ami-{_short(spec.image.image_id)}" if spec.image else "",
        **_ec2_boot_parts(spec),
        "ami-launch-index": str(spec.launch_index),
        "ami-manifest-path": "FIXED_PATH",
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
        "hostname": spec.hostname,
        "instance-action": "none",
        "instance-id": f"i-{number:08x}",
        "instance-type": spec.flavor_name,
        "local-hostname": spec.hostname,
        "local-ipv4": address,
        "placement": {"availability-zone": spec.availability_zone},
        "public-hostname": spec.hostname,
        "public-ipv4": "",
        "reservation-id": spec.reservation_id,
        "security-groups": "default",
    }
    if spec.keys:
        tree["public-keys"] = {
            f"{number}={key.name}": {"openssh-key": key.data.rstrip("\n")} for number, key in enumerate(spec.keys)
        }
    return _as_bytes(tree)


def _short(identifier: str) -> str:
    return identifier.replace("-", "")[:8]


def _as_bytes(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _as_bytes(value) if isinstance(value, Mapping) else str(value).encode("utf-8") for name, value in tree.items()
    }


def _as_json(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.partition("=")[0]: _as_json(value) if isinstance(value, Mapping) else value.decode("utf-8")
        for name, value in tree.items()
    }


def _walk(tree: Tree | bytes, parts: list[str]) -> bytes | None:
    for part in parts:
        if not isinstance(tree, Mapping):
            return None
        found = tree.get(part)
        if found is None:  # public-keys/0 for what is listed as 0=name
            found = next((value for name, value in tree.items() if name.startswith(f"{part}=")), None)
        if found is None:
            return None
        tree = found
    return _listed(tree) if isinstance(tree, Mapping) else tree


def _listed(tree: Tree) -> bytes:
    """List a folder as EC2 does: folders end with a slash, but for the numbered keys."""
    names = (f"{name}/" if isinstance(value, Mapping) and "=" not in name else name for name, value in sorted(tree.items()))
    return "\n".join(names).encode("utf-8")
