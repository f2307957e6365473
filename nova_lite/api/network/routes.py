"""The URL table of the Network API."""

from __future__ import annotations

from nova_lite.api.network import extensions, networks, ports, quotas, subnets
from nova_lite.api.network.schemas import networks as network_schemas
from nova_lite.api.network.schemas import ports as port_schemas
from nova_lite.api.network.schemas import subnets as subnet_schemas
from nova_lite.api.route import Route

_NETWORK, _SUBNET, _PORT = "/networks/{network_id}", "/subnets/{subnet_id}", "/ports/{port_id}"
_QUOTA = "/quotas/{project_id}"

ROUTES = (
    Route("GET", "/extensions", extensions.list_extensions),
    Route("GET", "/extensions/{alias}", extensions.show_extension),
    Route("GET", "/networks", networks.list_networks, rule="get_network"),
    Route("POST", "/networks", networks.create_network, rule="create_network", body=network_schemas.CREATE),
    Route("GET", _NETWORK, networks.show_network, rule="get_network"),
    Route("PUT", _NETWORK, networks.update_network, rule="update_network", body=network_schemas.UPDATE),
    Route("DELETE", _NETWORK, networks.delete_network, rule="delete_network"),
    Route("GET", "/subnets", subnets.list_subnets, rule="get_subnet"),
    Route("POST", "/subnets", subnets.create_subnet, rule="create_subnet", body=subnet_schemas.CREATE),
    Route("GET", _SUBNET, subnets.show_subnet, rule="get_subnet"),
    Route("PUT", _SUBNET, subnets.update_subnet, rule="update_subnet", body=subnet_schemas.UPDATE),
    Route("DELETE", _SUBNET, subnets.delete_subnet, rule="delete_subnet"),
    Route("GET", _QUOTA, quotas.show_quota, rule="get_quota"),
    Route("GET", f"{_QUOTA}/default", quotas.show_quota, rule="get_quota_default"),
    Route("GET", f"{_QUOTA}/details", quotas.show_details, rule="get_quota_details"),
    Route("GET", "/ports", ports.list_ports, rule="get_port"),
    Route("POST", "/ports", ports.create_port, rule="create_port", body=port_schemas.CREATE),
    Route("GET", _PORT, ports.show_port, rule="get_port"),
    Route("PUT", _PORT, ports.update_port, rule="update_port", body=port_schemas.UPDATE),
    Route("DELETE", _PORT, ports.delete_port, rule="delete_port"),
)
