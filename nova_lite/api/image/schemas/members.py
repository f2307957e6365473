"""Schemas of members."""

from __future__ import annotations

from typing import Any

from nova_lite.api.validate import body
from nova_lite.image.members import STATUSES

CREATE = body({"member": {"type": "string", "minLength": 1, "maxLength": 64}}, required=("member",), extra=True)
UPDATE = body({"status": {"type": "string", "enum": list(STATUSES)}}, required=("status",), extra=True)


def member_schema() -> dict[str, Any]:
    """Give the schema of a member as clients read it."""
    return {
        "name": "member",
        "properties": {
            "created_at": {"type": "string", "description": "Date and time of image member creation"},
            "image_id": {"type": "string", "description": "An identifier for the image"},
            "member_id": {"type": "string", "description": "An identifier for the image member (tenantId)"},
            "status": {"type": "string", "enum": list(STATUSES), "description": "The status of this image member"},
            "updated_at": {"type": "string", "description": "Date and time of last modification of image member"},
            "schema": {"readOnly": True, "type": "string"},
        },
    }
