"""Scheduler hints of a create request: understood, or refused with the reason, before anything is accepted."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api.compute.lookup import project_seen
from nova_lite.api.route import Request
from nova_lite.db.engine import Tx
from nova_lite.model import host_query
from nova_lite.model.placement import Hints
from nova_lite.servers import groups

NAMES = ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")
NEAR = "/24"  # how near `build_near_host_ip` means without `cidr`


def given(body: Mapping[str, Any]) -> dict[str, Any]:
    """Give the hints as they were sent; they are shown so."""
    return dict(next((body[name] for name in NAMES if name in body), {}))


def read(request: Request, tx: Tx, hints: Mapping[str, Any]) -> Hints:
    """Understand hints. Those that nobody here knows are kept with the server and mean nothing. Raises: BadRequest."""
    group_id = hints.get("group")
    if group_id is not None:
        try:
            groups.get(tx, group_id, project_id=project_seen(request))
        except errors.NotFound as error:
            raise errors.BadRequest(error.message) from error
    return Hints(
        group_id=group_id,
        same_host=_several(hints.get("same_host")),
        different_host=_several(hints.get("different_host")),
        near=_near(hints),
        query=_query(hints.get("query")),
    )


def _several(value: str | list[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _near(hints: Mapping[str, Any]) -> str | None:
    address = hints.get("build_near_host_ip")
    if address is None:
        return None
    try:
        return str(ipaddress.ip_network(f"{address}{hints.get('cidr', NEAR)}", strict=False))
    except ValueError as error:
        raise errors.BadRequest("The scheduler hints build_near_host_ip and cidr do not make a network.") from error


def _query(value: str | dict[str, Any] | None) -> str | None:
    if not value:  # an empty text or object asks for nothing
        return None
    if not isinstance(value, str):
        raise errors.BadRequest("The scheduler hint query is not a text that holds a list in JSON.")
    try:
        return value if host_query.parse(value) else None
    except ValueError as error:
        raise errors.BadRequest(f"The scheduler hint query cannot be used: {error}.") from error
