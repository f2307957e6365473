"""The schema of an image: what bodies are checked with, and what clients read at `/v2/schemas/image`."""

from __future__ import annotations

from typing import Any

from nova_lite.api.image.fields import READ_ONLY, RESERVED
from nova_lite.image.inspect import CONTAINER_FORMATS, DISK_FORMATS

UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
VISIBILITIES = ["community", "public", "private", "shared"]
STATUSES = ["queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"]
MOST_TEXT = 65535
MOST_INTEGER = 2147483647
MOST_CHANGES = 1000

TAG: dict[str, Any] = {"type": "string", "maxLength": 255}
PROPERTY: dict[str, Any] = {"type": "string", "maxLength": MOST_TEXT}
OPTIONAL_UUID: dict[str, Any] = {"type": ["null", "string"], "pattern": UUID}
AMOUNT: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": MOST_INTEGER}

SETTABLE: dict[str, dict[str, Any]] = {
    "id": {"type": "string", "pattern": UUID},
    "name": {"type": ["null", "string"], "maxLength": 255},
    "visibility": {"type": "string", "enum": VISIBILITIES},
    "protected": {"type": "boolean"},
    "os_hidden": {"type": "boolean"},
    "min_disk": AMOUNT,
    "min_ram": AMOUNT,
    "disk_format": {"type": ["null", "string"], "enum": [None, *DISK_FORMATS]},
    "container_format": {"type": ["null", "string"], "enum": [None, *CONTAINER_FORMATS]},
    "owner": {"type": ["null", "string"], "maxLength": 64},
    "tags": {"type": "array", "items": TAG, "maxItems": 1000},
    "kernel_id": OPTIONAL_UUID,
    "ramdisk_id": OPTIONAL_UUID,
}
# What no user may set has any type here: it is refused as read-only, not as malformed.
CREATE: dict[str, Any] = {
    "type": "object",
    "properties": SETTABLE | {name: {} for name in sorted(READ_ONLY | RESERVED)},
    "propertyNames": {"minLength": 1, "maxLength": 255},
    "additionalProperties": PROPERTY,
}
PATCH: dict[str, Any] = {"type": "array", "items": {"type": "object"}, "maxItems": MOST_CHANGES}

_TIME = {"type": "string", "readOnly": True}
_HASH = {"type": ["null", "string"], "readOnly": True}
_LINK = {"type": "string", "readOnly": True}
_TOLD: dict[str, dict[str, Any]] = {
    "status": {"type": "string", "enum": STATUSES, "readOnly": True, "description": "Status of the image"},
    "checksum": {**_HASH, "maxLength": 32, "description": "md5 hash of image contents."},
    "os_hash_algo": {**_HASH, "maxLength": 64, "description": "Algorithm to calculate the os_hash_value"},
    "os_hash_value": {**_HASH, "maxLength": 128, "description": "Hexdigest of the image contents using os_hash_algo"},
    "size": {"type": ["null", "integer"], "readOnly": True, "description": "Size of image file in bytes"},
    "virtual_size": {"type": ["null", "integer"], "readOnly": True, "description": "Virtual size of image in bytes"},
    "created_at": {**_TIME, "description": "Date and time of image registration"},
    "updated_at": {**_TIME, "description": "Date and time of the last image modification"},
    "self": {**_LINK, "description": "An image self url"},
    "file": {**_LINK, "description": "An image file url"},
    "schema": {**_LINK, "description": "An image schema url"},
    "stores": {**_LINK, "description": "Store in which image data resides."},
}
_DESCRIBED = {
    "id": "An identifier for the image",
    "name": "Descriptive name for the image",
    "visibility": "Scope of image accessibility",
    "protected": "If true, image will not be deletable.",
    "os_hidden": "If true, image will not appear in default image list response.",
    "min_disk": "Amount of disk space (in GB) required to boot image.",
    "min_ram": "Amount of ram (in MB) required to boot image.",
    "disk_format": "Format of the disk",
    "container_format": "Format of the container",
    "owner": "Owner of the image",
    "tags": "List of strings related to the image",
    "kernel_id": "ID of the image that is the kernel of an AMI-style image.",
    "ramdisk_id": "ID of the image that is the ramdisk of an AMI-style image.",
}
_USUAL = {  # properties that users set by convention
    "architecture": "Operating system architecture",
    "os_distro": "Common name of operating system distribution",
    "os_version": "Operating system version as specified by the distributor.",
    "instance_uuid": "ID of the server that this image was made of.",
    "description": "A human-readable string describing this image.",
}


def image_schema() -> dict[str, Any]:
    """Give the schema of an image as clients read it."""
    properties = {name: {**schema, "description": _DESCRIBED[name]} for name, schema in SETTABLE.items()}
    for name in ("kernel_id", "ramdisk_id"):
        properties[name]["is_base"] = False
    properties |= _TOLD
    properties |= {name: {"type": "string", "is_base": False, "description": text} for name, text in _USUAL.items()}
    return {
        "name": "image",
        "properties": properties,
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }
