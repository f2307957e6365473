"""What is no more: parts of the API that were taken away whole, whatever version is asked for."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.route import Answer, Request


def gone(request: Request) -> Answer:
    """Say that it was removed."""
    raise errors.Gone
