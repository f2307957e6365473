"""Servers that are made anew where they are: rebuilt from an image, rescued from one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api.compute import access_addresses, boot_parts, flags, injected_files
from nova_lite.api.compute.lookup import ready_server
from nova_lite.api.compute.server_create import bootable_image, check_metadata, read_user_data
from nova_lite.api.compute.servers import group_of, host_statuses
from nova_lite.api.compute.views import servers as views
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.model.hardware import reading
from nova_lite.model.ids import ImageId
from nova_lite.model.image import Image, ImageStatus, boot_names
from nova_lite.model.server import Server
from nova_lite.servers import keypairs, names, records
from nova_lite.workflows import rebuild as rebuild_workflow
from nova_lite.workflows import rescue as rescue_workflow

NO_FILES = ByVersion({"2.1": False, "2.57": True})
View = dict[str, Any]
Extra = Callable[[View, Server], None]


def _with_key(view: View, server: Server) -> None:
    view["key_name"] = server.key_name


def _with_user_data(view: View, server: Server) -> None:
    view["user_data"] = server.user_data


_MORE: ByVersion[tuple[Extra, ...]] = ByVersion(
    {"2.1": (), "2.54": (_with_key,), "2.57": (_with_key, _with_user_data), "2.75": (_with_key, _with_user_data)}
)
_SAME_NAME = {
    "name": "name",
    "description": "description",
    "hostname": "hostname",
    "metadata": "metadata",
    "OS-DCF:diskConfig": "disk_config",
}


def rebuild(request: Request) -> Answer:
    """Accept a rebuild; the answer shows the server as it is to be. Raises: BadRequest, Conflict, OverQuota."""
    asked = request.body["rebuild"]
    if asked.get("trusted_image_certificates"):
        raise errors.BadRequest("Image certificates are not checked by this cloud; leave trusted_image_certificates out.")
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "rebuild")
    image = bootable_image(request, str(asked["imageRef"]), server.flavor)
    reading.read(server.flavor, image.properties)  # what they contradict each other in is said before anything is undone
    with request.parts.database.read() as tx:
        wanted = dataclasses.replace(
            server, image_id=image.id, image_properties=image.properties, **_changes(request, tx, server, asked)
        )
    password = asked.get("adminPass") or names.password()
    order = rebuild_workflow.RebuildOrder(
        server=wanted,
        admin_pass=password,
        preserve_ephemeral=flags.read(asked.get("preserve_ephemeral", False), "preserve_ephemeral"),
    )
    rebuild_workflow.accept(request.parts.desk, request.context, order)
    body = {**_shown(request, wanted), "adminPass": password}
    return Answer(status=202, body={"server": body}, headers={"Location": f"{request.service_url}/servers/{server.id}"})


def _changes(request: Request, tx: Tx, server: Server, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Read what else a rebuild changes; what is not named stays. Raises: BadRequest, OverQuota."""
    changes: dict[str, Any] = {column: asked[name] for name, column in _SAME_NAME.items() if name in asked}
    if "metadata" in asked:
        check_metadata(tx, request, asked["metadata"])
    for name, column in (("accessIPv4", "access_ip_v4"), ("accessIPv6", "access_ip_v6")):
        if name in asked:
            changes[column] = access_addresses.short(asked[name])
    if "user_data" in asked:
        changes["user_data"] = read_user_data(asked)
    if "key_name" in asked:
        changes |= _key(tx, server, asked["key_name"])
    files = () if NO_FILES.at(request.version) else injected_files.read(tx, server.project_id, asked)
    if files:
        changes |= {"files": files, "config_drive": True}
    return changes


def _key(tx: Tx, server: Server, name: str | None) -> dict[str, Any]:
    """Give the key of the server's own user, or none."""
    if name is None:
        return {"key_name": None, "key_type": None, "key_data": None}
    try:
        key = keypairs.get(tx, server.user_id, name)
    except errors.NotFound as error:
        raise errors.BadRequest("Invalid key_name provided.") from error
    return {"key_name": key.name, "key_type": key.type, "key_data": key.public_key}


def _shown(request: Request, wanted: Server) -> View:
    with request.parts.database.read() as tx:
        now = records.get(tx, wanted.id)
        standing, group = host_statuses(request, tx), group_of(request, tx, now)
    shown = dataclasses.replace(wanted, live=now.live, updated_at=now.updated_at)
    view = dict(views.full(request, views.UPDATE, standing, group)(shown))
    view.pop("OS-EXT-SRV-ATTR:user_data", None)  # a rebuild tells it as `user_data`
    for extra in _MORE.at(request.version):
        extra(view, shown)
    return view


def rescue(request: Request) -> Answer:
    """Accept a rescue from the image named, or from the server's own. Raises: BadRequest, Conflict."""
    asked = request.body["rescue"] or {}
    with request.parts.database.read() as tx:
        server = ready_server(request, tx, "rescue")
    named = asked.get("rescue_image_ref") or server.image_id
    if named is None:
        raise errors.BadRequest("The server has no image to be rescued from: name one in rescue_image_ref.")
    image = _rescue_image(request, str(named))
    password = asked.get("adminPass") or names.password()
    order = rescue_workflow.RescueOrder(
        image_id=image.id,
        admin_pass=password,
        device=image.properties.get("hw_rescue_device"),
        bus=image.properties.get("hw_rescue_bus"),
        boot=_rescue_boot(request, server, image),
    )
    rescue_workflow.accept_rescue(request.parts.desk, request.context, server.id, order)
    return Answer(body={"adminPass": password})


def _rescue_image(request: Request, image_id: str) -> Image:
    context = request.context
    try:
        found: Image = request.parts.images.get_for(context.project_id, ImageId(image_id), admin=context.is_admin)
    except errors.NotFound as error:
        raise errors.BadRequest(f"Image {image_id} could not be found.") from error
    if found.status is not ImageStatus.ACTIVE or not found.is_disk:
        raise errors.BadRequest(f"Image {image_id} is not an active disk image: no server can be rescued from it.")
    return found


def _rescue_boot(request: Request, server: Server, image: Image) -> dict[str, str] | None:
    """Give what a rescue image boots with, once it is the caller's to use; None: as the server. Raises: BadRequest."""
    if not rescue_workflow.boots_itself(server, image):
        return None
    boot_parts.check(request, image)
    return boot_names(image.properties)
