"""Schemas of imports."""

from __future__ import annotations

from nova_lite.api.validate import body

_TEXT = {"type": "string", "maxLength": 255}
METHOD = body(
    {
        "name": {"type": "string", "minLength": 1, "maxLength": 255},
        "uri": {"type": "string", "minLength": 1, "maxLength": 2048},
        "glance_image_id": _TEXT,
        "glance_region": _TEXT,
        "glance_service_interface": _TEXT,
    },
    required=("name",),
)
IMPORT = body(
    {
        "method": METHOD,
        "stores": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 255}, "maxItems": 100},
        "all_stores": {"type": "boolean"},
        "all_stores_must_succeed": {"type": "boolean"},
    },
    required=("method",),
    extra=True,
)
LOCATION = body(
    {
        "url": {"type": "string", "minLength": 1, "maxLength": 2048},
        "validation_data": body(
            {
                "os_hash_algo": {"type": "string", "maxLength": 64},
                "os_hash_value": {"type": "string", "maxLength": 128},
            }
        ),
    },
    required=("url",),
)
