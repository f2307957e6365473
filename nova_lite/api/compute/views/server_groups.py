"""What server groups look like, by microversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_lite.api.microversion import ByVersion
from nova_lite.model.server_group import ServerGroup

View = dict[str, Any]


def _core(group: ServerGroup) -> View:
    return {"id": group.id, "name": group.name, "members": list(group.members)}


def _first(group: ServerGroup) -> View:
    return _core(group) | {"policies": [group.policy], "metadata": {}}


def _with_owner(group: ServerGroup) -> View:
    return _first(group) | _owner(group)


def _owner(group: ServerGroup) -> View:
    return {"project_id": group.project_id, "user_id": group.user_id}


def _with_rules(group: ServerGroup) -> View:
    rules = {} if group.max_per_host is None else {"max_server_per_host": group.max_per_host}
    return _core(group) | _owner(group) | {"policy": group.policy, "rules": rules}


VIEW: ByVersion[Callable[[ServerGroup], View]] = ByVersion({"2.1": _first, "2.13": _with_owner, "2.64": _with_rules})
