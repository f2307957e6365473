"""How credentials, trusts and OAuth look on the wire."""

from __future__ import annotations

from typing import Any

from nova_lite.api.identity.views.records import links, role, time_text
from nova_lite.api.route import Request
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity.stored_credentials import KeyPair
from nova_lite.model import delegation as model

HIDDEN = ""


def _shown(request: Request, secret: str, user_id: str) -> str:
    """Give a user's secret to whoever may have it. An auditor reads everything, but by this it could log in as anybody."""
    context = request.context
    hides = context.is_auditor and not context.is_admin and context.user_id != user_id
    return HIDDEN if hides else secret


def credential(request: Request, record: model.StoredCredential) -> dict[str, Any]:
    """Show a credential whose blob was opened."""
    return {
        "id": record.id,
        "type": record.type,
        "user_id": record.user_id,
        "project_id": record.project_id,
        "blob": _shown(request, record.blob, record.user_id),
        "links": links(request, f"/credentials/{record.id}"),
    }


def key_pair(request: Request, pair: KeyPair) -> dict[str, Any]:
    """Show an EC2 key pair with its secret, as the original does."""
    return {
        "user_id": pair.user_id,
        "tenant_id": pair.project_id,
        "access": pair.access,
        "secret": _shown(request, pair.secret, pair.user_id),
        "trust_id": pair.trust_id,
        "links": links(request, f"/users/{pair.user_id}/credentials/OS-EC2/{pair.access}"),
    }


def consumer(request: Request, record: model.Consumer) -> dict[str, Any]:
    """Show a consumer, without its secret."""
    return dict(record.extra) | {
        "id": record.id,
        "description": record.description,
        "links": links(request, f"/OS-OAUTH1/consumers/{record.id}"),
    }


def access_token(request: Request, record: model.AccessToken) -> dict[str, Any]:
    """Show an access token, without its secret."""
    path = f"/users/{record.authorizing_user_id}/OS-OAUTH1/access_tokens/{record.id}"
    roles = {"self": links(request, f"{path}/roles")["self"], "next": None, "previous": None}
    return {
        "id": record.id,
        "consumer_id": record.consumer_id,
        "project_id": record.project_id,
        "authorizing_user_id": record.authorizing_user_id,
        "expires_at": time_text(record.expires_at),
        "links": links(request, path) | {"roles": roles["self"]},
    }


def roles_by_id(request: Request, tx: Tx, role_ids: list[str]) -> list[dict[str, Any]]:
    """Show roles in full; those that are gone are left out."""
    return [role(request, each) for each in db.ROLES.list_by(tx, id=role_ids)] if role_ids else []


def trust(request: Request, record: model.Trust) -> dict[str, Any]:
    """Show a trust as lists do, without its roles."""
    return {
        "id": record.id,
        "trustor_user_id": record.trustor_user_id,
        "trustee_user_id": record.trustee_user_id,
        "project_id": record.project_id,
        "impersonation": record.impersonation,
        "expires_at": time_text(record.expires_at),
        "remaining_uses": record.remaining_uses,
        "redelegation_count": record.redelegation_count,
        "redelegated_trust_id": record.redelegated_trust_id,
        "deleted_at": None,
        "links": links(request, f"/OS-TRUST/trusts/{record.id}"),
    }


def roles_links(request: Request, record: model.Trust) -> dict[str, Any]:
    """Give the address of a trust's roles."""
    return links(request, f"/OS-TRUST/trusts/{record.id}/roles") | {"next": None, "previous": None}


def whole_trust(request: Request, tx: Tx, record: model.Trust) -> dict[str, Any]:
    """Show a trust with its roles."""
    held = roles_by_id(request, tx, record.roles)
    return trust(request, record) | {"roles": held, "roles_links": roles_links(request, record)}
