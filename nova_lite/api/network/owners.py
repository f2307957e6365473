"""Whose a thing is to be that a request makes in the Network API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api.route import Request


def owner(request: Request, asked: Mapping[str, Any], usual: str | None = None) -> str:
    """Give the project something is made for, which is another than the caller's for an admin only.

    usual: whose it is when nobody is named; None: the caller's project
    Raises: BadRequest when none is known, or two are named; Forbidden.
    """
    named = [asked[name] for name in ("project_id", "tenant_id") if name in asked]
    project_id = named[0] if named else usual or request.context.project_id
    if not project_id or len(set(named)) > 1:
        raise errors.BadRequest("One project_id is wanted.")
    request.enforce(target={"project_id": project_id})
    return project_id
