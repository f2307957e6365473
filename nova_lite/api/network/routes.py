"""The URL table of the Network API."""

from __future__ import annotations

from nova_lite.api.network import extensions, networks, ports, quotas, subnets
from nova_lite.api.network.schemas import ports as port_schemas
from nova_lite.api.route import Route

_NETWORK, _SUBNET, _PORT = "/networks/{network_id}", "/subnets/{subnet_id}", "/ports/{port_id}"
_QUOTA = "/quotas/{project_id}"

ROUTES = (
    Route("GET", "/extensions", extensions.list_extensions),
    Route("GET", "/extensions/{alias}", extensions.show_extension),
    Route("GET", "/networks", networks.list_networks, rule="get_network"),
    Route("POST", "/networks", networks.refuse),
    Route("GET", _NETWORK, networks.show_network, rule="get_network"),
    Route("PUT", _NETWORK, networks.refuse),
    Route("DELETE", _NETWORK, networks.refuse),
    Route("GET", "/subnets", subnets.list_subnets, rule="get_subnet"),
    Route("POST", "/subnets", networks.refuse),
    Route("GET", _SUBNET, subnets.show_subnet, rule="get_subnet"),
    Route("PUT", _SUBNET, networks.refuse),
    Route("DELETE", _SUBNET, networks.refuse),
    Route("GET", _QUOTA, quotas.show_quota, rule="get_quota"),
    Route("GET", f"{_QUOTA}/default", quotas.show_quota, rule="get_quota_default"),
    Route("GET", f"{_QUOTA}/details", quotas.show_details, rule="get_quota_details"),
    Route("GET", "/ports", ports.list_ports, rule="get_port"),
    Route("POST", "/ports", ports.create_port, rule="create_port", body=port_schemas.CREATE),
    Route("GET", _PORT, ports.show_port, rule="get_port"),
    Route("PUT", _PORT, ports.update_port, rule="update_port", body=port_schemas.UPDATE),
    Route("DELETE", _PORT, ports.delete_port, rule="delete_port"),
)
