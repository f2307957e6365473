"""How the answer looks to a login that has shown some of the factors that it must."""

from __future__ import annotations

from typing import Any

from nova_lite.api.identity.views.records import time_text
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.identity.factors import MoreFactorsNeeded

HEADER = "OPENSTACK-AUTH-RECEIPT"


def show(request: Request, error: MoreFactorsNeeded) -> Answer:
    """Give the receipt, and what else must be shown with it."""
    details: dict[str, Any] = error.details
    user, receipt = details["user"], details["receipt"]
    with request.parts.database.read() as tx:
        domain = db.PROJECTS.find(tx, user.domain_id)
    body = {
        "receipt": {
            "methods": list(receipt.methods),
            "user": {
                "id": user.id,
                "name": user.name,
                "domain": {"id": user.domain_id, "name": domain.name if domain else user.domain_id},
            },
            "issued_at": time_text(receipt.issued_at),
            "expires_at": time_text(receipt.expires_at),
        },
        "required_auth_methods": details["required"],
    }
    headers = {
        "Openstack-Auth-Receipt": details["receipt_id"],
        "WWW-Authenticate": f'Keystone uri="{request.url_root}/identity"',
    }
    return Answer(status=401, body=body, headers=headers)
