"""Queries of lists of servers, by microversion: what is known, and from 2.75 on nothing else."""

from __future__ import annotations

from nova_lite.api.microversion import ByVersion
from nova_lite.api.validate import COUNT, TEXT, JsonSchema, query

# What servers can be sorted by, as the API names it.
_SORTABLE = (
    *("access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive", "created_at"),
    *("display_description", "display_name", "host", "hostname", "image_ref", "instance_type_id", "kernel_id"),
    *("key_name", "launch_index", "launched_at", "locked_by", "node", "power_state", "progress", "project_id"),
    *("ramdisk_id", "root_device_name", "task_state", "terminated_at", "updated_at", "user_id", "uuid", "vm_state"),
)
# Old keys that never sorted anything; until 2.75 they are taken and mean nothing.
_IGNORED = (
    *("architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted", "deleted_at"),
    *("disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data", "launched_on", "locked", "memory_mb"),
    *("os_type", "reservation_id", "root_gb", "shutdown_terminate", "user_data", "vcpus", "vm_mode"),
)
_FILTERS = (
    *("access_ip_v4", "access_ip_v6", "all_tenants", "auto_disk_config", "availability_zone", "changes-since"),
    *("config_drive", "created_at", "deleted", "description", "display_description", "display_name", "flavor", "host"),
    *("hostname", "image", "image_ref", "ip", "ip6", "kernel_id", "key_name", "launch_index", "launched_at", "locked_by"),
    *("name", "node", "power_state", "progress", "project_id", "ramdisk_id", "reservation_id", "root_device_name"),
    *("soft_deleted", "status", "task_state", "tenant_id", "terminated_at", "user_id", "uuid", "vm_state"),
    *("block_device_mapping", "services", "metadata", "system_metadata", "info_cache", "security_groups", "pci_devices"),
)
_TAGS = ("tags", "tags-any", "not-tags", "not-tags-any")
_TAG_LIST: JsonSchema = {"type": "string", "maxLength": 4096}
_DIRECTIONS: JsonSchema = {"enum": ["asc", "desc"]}


def _list(filters: tuple[str, ...], sortable: tuple[str, ...], *, extra: bool) -> JsonSchema:
    several = {name: _TAG_LIST if name in _TAGS else TEXT for name in filters}
    made = query({"limit": COUNT, "marker": TEXT}, several=several, extra=extra)
    made["properties"] |= {
        "sort_key": {"type": "array", "items": {"enum": list(dict.fromkeys(sortable))}, "maxItems": 32},
        "sort_dir": {"type": "array", "items": _DIRECTIONS, "maxItems": 32},
    }
    return made


_V226 = (*_FILTERS, *_TAGS)
_V266 = (*_V226, "changes-before")
_V273 = (*_V266, "locked")
_SORT_FIRST = (*_SORTABLE, *_IGNORED)
_SORT_275 = (*_SORTABLE, "locked")

LIST = ByVersion(
    {
        "2.1": _list(_FILTERS, _SORT_FIRST, extra=True),
        "2.26": _list(_V226, _SORT_FIRST, extra=True),
        "2.66": _list(_V266, _SORT_FIRST, extra=True),
        "2.73": _list(_V273, _SORT_FIRST, extra=True),
        "2.75": _list(_V273, _SORT_275, extra=False),
    }
)
