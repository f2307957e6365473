"""The list of extensions that clients older than microversions look at: what is here, by its old name."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.route import Answer, Request

UPDATED = "2014-12-03T00:00:00Z"
# The old alias of each part of the API that exists here.
ALIASES = {
    "OS-DCF": "DiskConfig",
    "OS-EXT-AZ": "ExtendedAvailabilityZone",
    "OS-EXT-IPS": "ExtendedIps",
    "OS-EXT-IPS-MAC": "ExtendedIpsMac",
    "OS-EXT-SRV-ATTR": "ExtendedServerAttributes",
    "OS-EXT-STS": "ExtendedStatus",
    "OS-FLV-DISABLED": "FlavorDisabled",
    "OS-FLV-EXT-DATA": "FlavorExtraData",
    "OS-SRV-USG": "ServerUsage",
    "os-availability-zone": "AvailabilityZone",
    "os-config-drive": "ConfigDrive",
    "os-console-output": "ConsoleOutput",
    "os-flavor-access": "FlavorAccess",
    "os-flavor-extra-specs": "FlavorExtraSpecs",
    "os-flavor-manage": "FlavorManage",
    "os-hypervisors": "Hypervisors",
    "os-instance-actions": "InstanceActions",
    "os-keypairs": "Keypairs",
    "os-multiple-create": "MultipleCreate",
    "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "Quotas",
    "os-server-start-stop": "ServerStartStop",
    "os-services": "Services",
    "os-used-limits": "UsedLimits",
    "os-user-data": "UserData",
}


def _view(alias: str) -> dict[str, Any]:
    name = ALIASES[alias]
    return {"alias": alias, "name": name, "description": name, "links": [], "namespace": "", "updated": UPDATED}


def list_extensions(request: Request) -> Answer:
    """List all."""
    return Answer(body={"extensions": [_view(alias) for alias in ALIASES]})


def show_extension(request: Request) -> Answer:
    """Show one."""
    alias = request.params["alias"]
    if alias not in ALIASES:
        raise errors.NotFound(f"There is no extension {alias}.")
    return Answer(body={"extension": _view(alias)})
