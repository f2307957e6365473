"""Tasks as the Image API shows them."""

from __future__ import annotations

from typing import Any

from nova_lite.api.image.views.images import time
from nova_lite.image.tasks import Task


def summary(shown: Task) -> dict[str, Any]:
    """Show a task in a list."""
    return {
        "id": shown.id,
        "type": shown.type,
        "status": shown.status,
        "owner": shown.owner,
        "image_id": shown.image_id,
        "request_id": shown.request_id,
        "user_id": shown.user_id,
        "created_at": time(shown.created_at),
        "updated_at": time(shown.updated_at),
        "expires_at": None if shown.expires_at is None else time(shown.expires_at),
        "self": f"/v2/tasks/{shown.id}",
        "schema": "/v2/schemas/task",
    }


def task(shown: Task) -> dict[str, Any]:
    """Show a task in full."""
    result = {"image_id": shown.image_id} if shown.status == "success" else None
    return summary(shown) | {"input": dict(shown.input), "result": result, "message": shown.message}
