"""A server's volumes, shares and snapshots of them: none, since this cloud has no volume service."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.compute.lookup import server_of
from nova_lite.api.route import Answer, Request
from nova_lite.model.server import Server
from nova_lite.servers import rules


def _server(request: Request) -> Server:
    with request.parts.database.read() as tx:
        return server_of(request, tx)


def no_volume(volume_id: str) -> errors.NotFound:
    """Make the error of a volume, which is nowhere."""
    return errors.NotFound(f"Volume {volume_id} could not be found: this cloud has no volume service.")


def list_attachments(request: Request) -> Answer:
    """List none."""
    _server(request)
    return Answer(body={"volumeAttachments": []})


def attach_volume(request: Request) -> Answer:
    """Refuse a volume: there is none."""
    server = _server(request)
    rules.require_unlocked(server, request.context)
    rules.require(server, "volume")
    raise no_volume(request.body["volumeAttachment"]["volumeId"])


def show_attachment(request: Request) -> Answer:
    """Refuse one that is not attached."""
    server = _server(request)
    raise errors.NotFound(f"Volume {request.params['volume_id']} is not attached to server {server.id}.")


change_attachment = show_attachment
detach_volume = show_attachment


def list_shares(request: Request) -> Answer:
    """List none."""
    _server(request)
    return Answer(body={"shares": []})


def attach_share(request: Request) -> Answer:
    """Refuse a share: there is no service of shared file systems."""
    _server(request)
    raise errors.NotFound(f"Share {request.body['share']['share_id']} could not be found: this cloud has no shares.")


def show_share(request: Request) -> Answer:
    """Refuse one that is not attached."""
    _server(request)
    raise errors.NotFound(f"Share {request.params['share_id']} could not be found: this cloud has no shares.")


def create_snapshot(request: Request) -> Answer:
    """Refuse to help with a snapshot of a volume."""
    raise no_volume(request.body["snapshot"]["volume_id"])


def delete_snapshot(request: Request) -> Answer:
    """Refuse a snapshot that is none."""
    raise errors.NotFound(f"Snapshot {request.params['snapshot_id']} could not be found: this cloud has no volume service.")
