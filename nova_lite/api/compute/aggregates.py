"""Host aggregates: there are none; clients that look a hypervisor up ask for them."""

from __future__ import annotations

from nova_lite.api.route import Answer, Request


def list_aggregates(request: Request) -> Answer:
    """List none: hosts are grouped by their zone alone."""
    return Answer(body={"aggregates": []})
