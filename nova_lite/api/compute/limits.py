"""Limits: what a project may use, and what it uses."""

from __future__ import annotations

from collections.abc import Mapping

from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.quota import usage

Names = Mapping[str, str]
# What the API calls a limit or an amount, and what we do.
_COMPUTE: Names = {
    "maxTotalInstances": "instances",
    "maxTotalCores": "cores",
    "maxTotalRAMSize": "ram",
    "maxTotalKeypairs": "key_pairs",
    "maxServerMeta": "metadata_items",
    "maxServerGroups": "server_groups",
    "maxServerGroupMembers": "server_group_members",
}
_FILES: Names = {"maxPersonality": "injected_files", "maxPersonalitySize": "injected_file_content_bytes"}
_IMAGE: Names = {"maxImageMeta": "metadata_items"}
_NETWORK: Names = {
    "maxTotalFloatingIps": "floating_ips",
    "maxSecurityGroups": "security_groups",
    "maxSecurityGroupRules": "security_group_rules",
}
_USED: Names = {
    "totalInstancesUsed": "instances",
    "totalCoresUsed": "cores",
    "totalRAMUsed": "ram",
    "totalServerGroupsUsed": "server_groups",
}
_USED_NETWORK: Names = {"totalFloatingIpsUsed": "floating_ips", "totalSecurityGroupsUsed": "security_groups"}

LIMITS: ByVersion[Names] = ByVersion(
    {
        "2.1": {**_COMPUTE, **_FILES, **_IMAGE, **_NETWORK},
        "2.36": {**_COMPUTE, **_FILES, **_IMAGE},
        "2.39": {**_COMPUTE, **_FILES},
        "2.57": _COMPUTE,
    }
)
USED: ByVersion[Names] = ByVersion({"2.1": {**_USED, **_USED_NETWORK}, "2.36": _USED})
OTHER_PROJECT = "os_compute_api:limits:other_project"


def show_limits(request: Request) -> Answer:
    """Show the limits of the caller's project, or of another for those who may."""
    project_id = request.context.project_id or ""
    other = request.first("tenant_id")
    if other is not None and other != project_id:
        request.enforce(OTHER_PROJECT)
        project_id = other
    with request.parts.database.read() as tx:
        limits, used = usage.limits_of(tx, project_id), usage.used_by(tx, project_id)
    absolute = {name: limits[resource] for name, resource in LIMITS.at(request.version).items()}
    absolute |= {name: used.get(resource, 0) for name, resource in USED.at(request.version).items()}
    return Answer(body={"limits": {"rate": [], "absolute": absolute}})
