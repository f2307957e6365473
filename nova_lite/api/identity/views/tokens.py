"""How a token looks on the wire."""

from __future__ import annotations

from typing import Any

from nova_lite.api.identity.views.records import time_text
from nova_lite.db import delegation
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import catalog
from nova_lite.identity.tokens import Claims
from nova_lite.model.identity import ROOT, Target


def show(tx: Tx, claims: Claims, *, with_catalog: bool) -> dict[str, Any]:
    """Give the body of a token: names of domains, ids of roles and the catalog are read, the rest is in the token."""
    user = db.USERS.find(tx, claims.user_id)
    domains = _domains(tx, claims)
    view: dict[str, Any] = {
        "methods": list(claims.methods),
        "user": {
            "id": claims.user_id,
            "name": claims.user_name,
            "domain": domains[claims.user_domain_id],
            "password_expires_at": time_text(user.password_expires_at) if user else None,
        },
        "audit_ids": list(dict.fromkeys((claims.audit_ids[0], claims.audit_ids[-1]))),
        "expires_at": time_text(claims.expires_at),
        "issued_at": time_text(claims.issued_at),
    }
    view |= _scope(claims, domains)
    if claims.scope is not None:
        view["roles"] = _roles(tx, claims)
        if with_catalog:
            view["catalog"] = catalog.show(tx, claims.scope_id if claims.scope == Target.PROJECT else None)
    if claims.application_credential_id:
        view["application_credential"] = _credential(tx, claims.application_credential_id)
    return {"token": view | _delegation(tx, claims)}


def _delegation(tx: Tx, claims: Claims) -> dict[str, Any]:
    """Say by whose leave the token acts."""
    if claims.access_token_id:
        access = delegation.ACCESS_TOKENS.find(tx, claims.access_token_id)
        consumer_id = access.consumer_id if access else None
        return {"OS-OAUTH1": {"access_token_id": claims.access_token_id, "consumer_id": consumer_id}}
    if claims.trust is None:
        return {}
    trust_id, trustor, trustee = claims.trust[:3]
    trust = {"id": trust_id, "trustor_user": {"id": trustor}, "trustee_user": {"id": trustee}}
    return {"OS-TRUST:trust": trust | {"impersonation": claims.user_id == trustor}}


def _domains(tx: Tx, claims: Claims) -> dict[str | None, dict[str, Any]]:
    """Show the domains of the user and of the project: mostly one."""
    ids = {claims.user_domain_id, claims.scope_domain_id}
    names = {found.id: found.name for found in db.PROJECTS.list_by(tx, id=[key for key in ids if key])}
    return {key: {"id": key, "name": names.get(key or "", key)} for key in ids}


def _scope(claims: Claims, domains: dict[str | None, dict[str, Any]]) -> dict[str, Any]:
    if claims.scope == Target.PROJECT:
        project = {"id": claims.scope_id, "name": claims.scope_name, "domain": domains[claims.scope_domain_id]}
        return {"project": project, "is_domain": False}
    if claims.scope == Target.DOMAIN:
        return {"domain": {"id": claims.scope_id, "name": claims.scope_name}}
    return {"system": {"all": True}} if claims.scope == Target.SYSTEM else {}


def _roles(tx: Tx, claims: Claims) -> list[dict[str, Any]]:
    found = db.ROLES.list_by(tx, name=list(claims.roles), domain_id=ROOT)
    return [{"id": role.id, "name": role.name} for role in found]


def _credential(tx: Tx, credential_id: str) -> dict[str, Any]:
    found = db.CREDENTIALS.find(tx, credential_id)
    rules = {} if found is None or found.access_rules is None else {"access_rules": found.access_rules}
    return rules | {
        "id": credential_id,
        "name": found.name if found else None,
        "restricted": not (found is not None and found.unrestricted),
    }
