"""The URL table of the Compute API, continued: what old clients still call. The table of the original says until when."""

from __future__ import annotations

import dataclasses

from nova_lite.api.compute import image_proxy, old_hosts, old_proxies
from nova_lite.api.compute.gone import gone
from nova_lite.api.compute.old_proxies import absent, none_of
from nova_lite.api.compute.schemas import old_proxies as schemas
from nova_lite.api.compute.schemas import servers as server_schemas
from nova_lite.api.compute.schemas import types
from nova_lite.api.route import Route

_RULE = "os_compute_api:"
PROXIES, HOSTS, IMAGE_METADATA, VOLUMES_BOOT = "2.35", "2.42", "2.38", "2.102"  # the last versions that have them


def _r(method, path, handler, rule, *, until=PROXIES, **more) -> Route:  # type: ignore[no-untyped-def]
    return Route(method, path, handler, rule=_RULE + rule, max_version=until, **more)


_IMAGE = "/images/{image_id}"
_IMAGES = (
    _r("GET", "/images", image_proxy.list_images, "images:list"),
    _r("GET", "/images/detail", image_proxy.list_details, "images:list"),
    _r("GET", _IMAGE, image_proxy.show_image, "images:show"),
    _r("DELETE", _IMAGE, image_proxy.delete_image, "images:delete"),
    _r("GET", f"{_IMAGE}/metadata", image_proxy.list_metadata, "images:show", until=IMAGE_METADATA),
    _r(
        "POST", f"{_IMAGE}/metadata", image_proxy.add_metadata, "images:update",
        body=server_schemas.METADATA, until=IMAGE_METADATA,
    ),
    _r(
        "PUT", f"{_IMAGE}/metadata", image_proxy.replace_metadata, "images:update",
        body=server_schemas.METADATA, until=IMAGE_METADATA,
    ),
    _r("GET", f"{_IMAGE}/metadata/{{key}}", image_proxy.show_item, "images:show", until=IMAGE_METADATA),
    _r(
        "PUT", f"{_IMAGE}/metadata/{{key}}", image_proxy.set_item, "images:update",
        body=server_schemas.META, until=IMAGE_METADATA,
    ),
    _r("DELETE", f"{_IMAGE}/metadata/{{key}}", image_proxy.remove_item, "images:update", until=IMAGE_METADATA),
)  # fmt: skip

_ADDRESS, _VOLUME, _SNAPSHOT = absent("Floating IP"), absent("Volume"), absent("Snapshot")
_GROUP, _GROUP_RULE, _NODE = absent("Security group"), absent("Security group rule"), absent("Node")
_PROXIES = (
    _r("GET", "/os-networks", old_proxies.list_networks, "os-networks:list"),
    _r("GET", "/os-networks/{network_id}", old_proxies.show_network, "os-networks:show"),
    _r("GET", "/os-tenant-networks", old_proxies.list_tenant_networks, "os-tenant-networks:list"),
    _r("GET", "/os-tenant-networks/{network_id}", old_proxies.show_tenant_network, "os-tenant-networks:show"),
    _r("GET", "/os-floating-ip-pools", none_of("floating_ip_pools"), "os-floating-ip-pools"),
    _r("GET", "/os-floating-ips", none_of("floating_ips"), "os-floating-ips:list"),
    _r(
        "POST", "/os-floating-ips", absent("Floating IP pool"), "os-floating-ips:create",
        body=schemas.ADDRESS, empty_ok=True,
    ),
    _r("GET", "/os-floating-ips/{id}", _ADDRESS, "os-floating-ips:show"),
    _r("DELETE", "/os-floating-ips/{id}", _ADDRESS, "os-floating-ips:delete"),
    _r("GET", "/os-security-groups", none_of("security_groups"), "os-security-groups:get"),
    _r("POST", "/os-security-groups", absent("Security groups"), "os-security-groups:create", body=schemas.GROUP),
    _r("GET", "/os-security-groups/{id}", _GROUP, "os-security-groups:show"),
    _r("PUT", "/os-security-groups/{id}", _GROUP, "os-security-groups:update", body=schemas.GROUP),
    _r("DELETE", "/os-security-groups/{id}", _GROUP, "os-security-groups:delete"),
    _r("POST", "/os-security-group-rules", _GROUP, "os-security-groups:rule:create", body=schemas.GROUP_RULE),
    _r("DELETE", "/os-security-group-rules/{id}", _GROUP_RULE, "os-security-groups:rule:delete"),
    _r("GET", "/os-volumes", none_of("volumes"), "os-volumes:list"),
    _r("POST", "/os-volumes", absent("Volumes"), "os-volumes:create", body=schemas.VOLUME),
    _r("GET", "/os-volumes/detail", none_of("volumes"), "os-volumes:detail"),
    _r("GET", "/os-volumes/{id}", _VOLUME, "os-volumes:show"),
    _r("DELETE", "/os-volumes/{id}", _VOLUME, "os-volumes:delete"),
    _r("GET", "/os-snapshots", none_of("snapshots"), "os-volumes:snapshots:list"),
    _r("POST", "/os-snapshots", old_proxies.create_snapshot, "os-volumes:snapshots:create", body=schemas.SNAPSHOT),
    _r("GET", "/os-snapshots/detail", none_of("snapshots"), "os-volumes:snapshots:detail"),
    _r("GET", "/os-snapshots/{id}", _SNAPSHOT, "os-volumes:snapshots:show"),
    _r("DELETE", "/os-snapshots/{id}", _SNAPSHOT, "os-volumes:snapshots:delete"),
    _r("GET", "/os-baremetal-nodes", none_of("nodes"), "os-baremetal-nodes:list"),
    _r("POST", "/os-baremetal-nodes", absent("Nodes"), "os-baremetal-nodes:change", body=schemas.NODE),
    _r("GET", "/os-baremetal-nodes/{id}", _NODE, "os-baremetal-nodes:show"),
    _r("DELETE", "/os-baremetal-nodes/{id}", _NODE, "os-baremetal-nodes:change"),
    *(
        _r(
            "POST", "/os-baremetal-nodes/{id}/action", _NODE, "os-baremetal-nodes:change",
            action=name, body=types.action(name),
        )
        for name in ("add_interface", "remove_interface")
    ),
)  # fmt: skip

_HOST = "/os-hosts/{host_name}"
_HOSTS = (
    _r("GET", "/os-hosts", old_hosts.list_hosts, "os-hosts:list", until=HOSTS, query=schemas.HOSTS),
    _r("GET", _HOST, old_hosts.show_host, "os-hosts:show", until=HOSTS),
    _r("PUT", _HOST, old_hosts.update_host, "os-hosts:update", until=HOSTS, body=schemas.UPDATE_HOST),
    _r("GET", f"{_HOST}/reboot", old_hosts.power, "os-hosts:reboot", until=HOSTS),
    _r("GET", f"{_HOST}/shutdown", old_hosts.power, "os-hosts:shutdown", until=HOSTS),
    _r("GET", f"{_HOST}/startup", old_hosts.power, "os-hosts:start", until=HOSTS),
)

# method and path of what answers 410 to everybody whatever the version
_GONE = (
    *("GET /os-agents", "POST /os-agents", "PUT /os-agents/{id}", "DELETE /os-agents/{id}"),
    *("GET /os-cells", "POST /os-cells", "GET /os-cells/capacities", "GET /os-cells/detail", "GET /os-cells/info"),
    *("POST /os-cells/sync_instances", "GET /os-cells/{id}", "PUT /os-cells/{id}", "DELETE /os-cells/{id}"),
    *("GET /os-cells/{id}/capacities", "POST /os-certificates", "GET /os-certificates/{id}"),
    *("GET /os-cloudpipe", "POST /os-cloudpipe", "PUT /os-cloudpipe/{id}", "GET /os-fixed-ips/{id}"),
    *("GET /os-floating-ip-dns", "PUT /os-floating-ip-dns/{id}", "DELETE /os-floating-ip-dns/{id}"),
    *(f"{method} /os-floating-ip-dns/{{domain_id}}/entries/{{id}}" for method in ("GET", "PUT", "DELETE")),
    *("GET /os-floating-ips-bulk", "POST /os-floating-ips-bulk"),
    *("GET /os-floating-ips-bulk/{id}", "PUT /os-floating-ips-bulk/{id}", "GET /os-fping", "GET /os-fping/{id}"),
    *("POST /os-networks", "POST /os-networks/add", "DELETE /os-networks/{network_id}"),
    *("GET /os-security-group-default-rules", "POST /os-security-group-default-rules"),
    *("GET /os-security-group-default-rules/{id}", "DELETE /os-security-group-default-rules/{id}"),
    *("POST /os-tenant-networks", "DELETE /os-tenant-networks/{network_id}"),
    *("GET /servers/{server_id}/consoles", "POST /servers/{server_id}/consoles"),
    *("GET /servers/{server_id}/consoles/{id}", "DELETE /servers/{server_id}/consoles/{id}"),
    "GET /servers/{server_id}/os-virtual-interfaces",
)
_GONE_ACTIONS = (
    *(("/os-fixed-ips/{id}/action", name) for name in ("reserve", "unreserve")),
    *(
        ("/os-networks/{network_id}/action", name)
        for name in ("associate_host", "disassociate", "disassociate_host", "disassociate_project")
    ),
)
_REMOVED = (
    *(Route(*line.split(" "), gone) for line in _GONE),
    *(Route("POST", path, gone, action=name, body=types.action(name)) for path, name in _GONE_ACTIONS),
)

_BOOT_ACTIONS = frozenset(
    {
        *("confirmResize", "createImage", "os-start", "os-stop", "reboot", "rebuild", "resize", "revertResize"),
        "trigger_crash_dump",
    }
)
_ALIASED = ("/servers", "/servers/detail", "/servers/{server_id}", "/servers/{server_id}/action")


def volumes_boot(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Give routes of servers by their older name, `/os-volumes_boot`."""
    return tuple(
        dataclasses.replace(route, path=route.path.replace("/servers", "/os-volumes_boot", 1), max_version=VOLUMES_BOOT)
        for route in routes
        if route.path in _ALIASED and route.max_version is None and (route.action is None or route.action in _BOOT_ACTIONS)
    )


ROUTES: tuple[Route, ...] = (*_IMAGES, *_PROXIES, *_HOSTS, *_REMOVED)
