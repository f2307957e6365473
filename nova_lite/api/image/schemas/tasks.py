"""Schemas of tasks."""

from __future__ import annotations

from typing import Any

from nova_lite.api.image.schemas.images import CREATE
from nova_lite.api.validate import body
from nova_lite.image.tasks import STATUSES, TYPES

INPUT = body(
    {
        "import_from": {"type": "string", "minLength": 1, "maxLength": 2048},
        "import_from_format": {"type": "string", "minLength": 1, "maxLength": 255},
        "image_properties": CREATE,
    },
    required=("import_from", "import_from_format", "image_properties"),
)
NEW_TASK = body({"type": {"type": "string", "enum": ["import"]}, "input": INPUT}, required=("type", "input"))


def task_schema() -> dict[str, Any]:
    """Give the schema of a task as clients read it."""
    text = {"type": "string"}
    return {
        "name": "task",
        "properties": {
            "id": {**text, "description": "An identifier for the task"},
            "type": {**text, "enum": list(TYPES), "description": "The type of task represented by this content"},
            "status": {**text, "enum": list(STATUSES), "description": "The current status of this task"},
            "input": {"type": ["null", "object"], "description": "What was asked"},
            "result": {"type": ["null", "object"], "description": "What came of it"},
            "owner": {**text, "description": "The project that asked"},
            "message": {**text, "description": "Why it failed"},
            "image_id": {**text, "description": "The image that it is about"},
            "request_id": {**text, "description": "The request that began it"},
            "user_id": {**text, "description": "Who asked"},
            "expires_at": {"type": ["null", "string"], "description": "When it will be forgotten"},
            "created_at": {**text, "description": "When it was asked for"},
            "updated_at": {**text, "description": "When it ended, or began"},
            "self": {**text, "readOnly": True},
            "schema": {**text, "readOnly": True},
        },
    }
