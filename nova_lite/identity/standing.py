"""Whether who was given a right still has what it was given for: no revocation of tokens since then is theirs.

Roles taken away, users disabled, passwords changed, projects disabled and logouts all write revocations (revocations.py). Of
an outside Keystone we hear none.
"""

from __future__ import annotations

from nova_lite.context import Context
from nova_lite.db import console_tokens as queries
from nova_lite.db.engine import Tx
from nova_lite.identity import revocations
from nova_lite.model.console import Holder


def holder_of(tx: Tx, context: Context) -> Holder:
    """Note who asks, and the newest revocation until now."""
    return Holder(
        user_id=context.user_id or "",
        project_id=context.project_id,
        domain_id=context.domain_id,
        user_domain_id=context.user_domain_id,
        audit_id=context.audit_id,
        revoked_before=queries.last_revocation(tx),
    )


def is_lost(tx: Tx, holder: Holder) -> bool:
    """Whether a newer revocation would have ended the token that the right was asked with."""
    scope = holder.project_id or holder.domain_id or ""
    pairs = {
        revocations.USER: {holder.user_id},
        revocations.PROJECT: {holder.project_id},
        revocations.DOMAIN: {holder.domain_id, holder.user_domain_id},
        revocations.GRANT: {revocations.grant_value(holder.user_id, scope)},
        revocations.AUDIT: {holder.audit_id},
    }
    known = {kind: {value for value in values if value} for kind, values in pairs.items()}
    return queries.revoked(tx, {kind: values for kind, values in known.items() if values}, holder.revoked_before)
