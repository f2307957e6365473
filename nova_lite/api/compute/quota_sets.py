"""Quota sets: the limits of projects, for operators to change."""

from __future__ import annotations

from collections.abc import Mapping

from nova_lite import errors
from nova_lite.api.compute import flags
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.db import servers
from nova_lite.db.engine import Tx
from nova_lite.quota import limits as quota_limits
from nova_lite.quota import usage, users

_COMPUTE = ("instances", "cores", "ram", "key_pairs", "metadata_items", "server_groups", "server_group_members")
_FILES = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
_NETWORK = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")
SHOWN = ByVersion({"2.1": (*_COMPUTE, *_FILES, *_NETWORK), "2.36": (*_COMPUTE, *_FILES), "2.57": _COMPUTE})
# Quota classes showed server groups only from 2.50 on.
_CLASS_FIRST = tuple(name for name in (*_COMPUTE, *_FILES, *_NETWORK) if not name.startswith("server_group"))
CLASS_SHOWN = ByVersion({"2.1": _CLASS_FIRST, "2.50": (*_COMPUTE, *_FILES), "2.57": _COMPUTE})
DEFAULT_CLASS = "default"


def _target(request: Request) -> str:
    """Give the path's project once the route's rule allows it. Raises: Forbidden."""
    project_id = request.params["project_id"]
    request.enforce(target={"project_id": project_id})
    return project_id


def _chosen(request: Request, limits: Mapping[str, int]) -> dict[str, int]:
    return {name: limits[name] for name in SHOWN.at(request.version)}


def show_quota(request: Request) -> Answer:
    """Show a project's limits."""
    project_id = _target(request)
    with request.parts.database.read() as tx:
        limits = _limits(request, tx, project_id)
    return Answer(body={"quota_set": {"id": project_id, **_chosen(request, limits)}})


def _limits(request: Request, tx: Tx, project_id: str) -> dict[str, int]:
    """Read the limits of the query's user in the project, or of the project."""
    user_id = request.first("user_id")
    return usage.limits_of(tx, project_id) if user_id is None else users.limits_of(tx, project_id, user_id)


def _used(request: Request, tx: Tx, project_id: str) -> dict[str, int]:
    user_id = request.first("user_id")
    return usage.used_by(tx, project_id) if user_id is None else servers.usage_of(tx, project_id, user_id)


def show_defaults(request: Request) -> Answer:
    """Show the limits of projects that have none of their own."""
    with request.parts.database.read() as tx:
        limits = usage.default_limits(tx)
    return Answer(body={"quota_set": {"id": request.params["project_id"], **_chosen(request, limits)}})


def show_detail(request: Request) -> Answer:
    """Show a project's limits with what is used; nothing is ever only reserved."""
    project_id = _target(request)
    with request.parts.database.read() as tx:
        limits, used = _limits(request, tx, project_id), _used(request, tx, project_id)
    detail = {
        name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0} for name, limit in _chosen(request, limits).items()
    }
    return Answer(body={"quota_set": {"id": project_id, **detail}})


def update_quota(request: Request) -> Answer:
    """Change a project's limits; below what is used only when forced."""
    project_id = _target(request)
    asked = dict(request.body["quota_set"])
    force = flags.read(asked.pop("force", False), "force")
    asked.pop("tenant_id", None)
    limits = {name: _limit(name, value) for name, value in asked.items()}

    def work(tx: Tx) -> dict[str, int]:
        used = _used(request, tx, project_id)
        for name, limit in limits.items():
            if limit != quota_limits.UNLIMITED and limit < used.get(name, 0) and not force:
                raise errors.BadRequest(
                    f"Quota limit {limit} for {name} must be greater than or equal to already used {used[name]}."
                )
        user_id = request.first("user_id")
        if user_id is None:
            usage.set_limits(tx, project_id, limits)
        else:
            users.set_limits(tx, project_id, user_id, limits)
        return _limits(request, tx, project_id)

    return Answer(body={"quota_set": _chosen(request, request.parts.database.transact(work))})


def _limit(name: str, value: object) -> int:
    limit = int(str(value))
    if not quota_limits.UNLIMITED <= limit < 2**31:
        raise errors.BadRequest(f"Quota limit {limit} for {name} must be -1 or more.")
    return limit


def delete_quota(request: Request) -> Answer:
    """Return a project to the default limits, or a user of it to the project's."""
    project_id, user_id = _target(request), request.first("user_id")

    def work(tx: Tx) -> None:
        if user_id is None:
            usage.forget_limits(tx, project_id)
        else:
            users.forget_limits(tx, project_id, user_id)

    request.parts.database.transact(work)
    return Answer(status=202)


def show_class(request: Request) -> Answer:
    """Show the default limits; they are the only class that means something."""
    with request.parts.database.read() as tx:
        limits = usage.default_limits(tx)
    shown = {name: limits[name] for name in CLASS_SHOWN.at(request.version)}
    return Answer(body={"quota_class_set": {"id": request.params["name"], **shown}})


def update_class(request: Request) -> Answer:
    """Change the default limits."""
    if request.params["name"] != DEFAULT_CLASS:
        raise errors.BadRequest(f"The only quota class here is {DEFAULT_CLASS}.")
    limits = {name: _limit(name, value) for name, value in request.body["quota_class_set"].items()}

    def work(tx: Tx) -> dict[str, int]:
        usage.set_default_limits(tx, limits)
        return usage.default_limits(tx)

    changed = request.parts.database.transact(work)
    return Answer(body={"quota_class_set": {name: changed[name] for name in CLASS_SHOWN.at(request.version)}})
