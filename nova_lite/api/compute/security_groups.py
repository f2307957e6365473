"""A server's security groups, as a flat network has them: none filters its ports."""

from __future__ import annotations

from nova_lite.api.compute.lookup import server_of
from nova_lite.api.route import Answer, Request


def list_of_server(request: Request) -> Answer:
    """List none."""
    with request.parts.database.read() as tx:
        server_of(request, tx)
    return Answer(body={"security_groups": []})
