"""What this cloud leaves out of Identity, answered as a Keystone answers that was not set up for it.

Federation, OAuth 2: lists are empty, what is looked for is not found, what would set it up is
refused with a sentence. Nothing here answers 5xx, which clients would take for an outage.
"""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.identity.lists import answer_list
from nova_lite.api.identity.views.records import time_text
from nova_lite.api.route import Answer, Handler, Request
from nova_lite.db import identity as db

NO_FEDERATION = "This cloud offers no federation: users log in by password, application credential, TOTP, trust or OAuth 1."
# How kinds of revocations read as events; grants are kept as hashes, and cannot be told.
EVENT_FIELDS = {
    "audit_id": "audit_id",
    "user": "user_id",
    "project": "project_id",
    "domain": "domain_id",
    "credential": "application_credential_id",
    "trust": "OS-TRUST:trust_id",
    "access_token": "OS-OAUTH1:access_token_id",
}


def empty_list(noun: str) -> Handler:
    """Make the handler of a list in which nothing ever is."""
    return lambda request: answer_list(request, noun, [])


def nothing(noun: str) -> Handler:
    """Make the handler that finds nothing. Its answer: NotFound."""

    def handle(_request: Request) -> Answer:
        raise errors.NotFound(f"Could not find {noun}. {NO_FEDERATION}")

    return handle


def refuse(_request: Request) -> Answer:
    """Refuse to set up federation. Raises: Forbidden."""
    raise errors.Forbidden(NO_FEDERATION)


def refuse_oauth2(request: Request) -> Answer:
    """POST /OS-OAUTH2/token: refuse in the words of RFC 6749, section 5.2."""
    if not request.headers.get("X-AUTH-TOKEN"):
        words = {"error": "invalid_client", "error_description": "Clients of OAuth 2.0 are not known here."}
        return Answer(status=401, body=words, headers={"WWW-Authenticate": 'Basic realm="OAuth 2.0"'})
    request.parts.tokens.check(request.headers["X-AUTH-TOKEN"], request.context.request_id)
    return Answer(status=400, body={"error": "unsupported_grant_type", "error_description": NO_FEDERATION})


def list_events(request: Request) -> Answer:
    """GET /OS-REVOKE/events: what has been revoked, as far as it can be told in the original's words."""
    with request.parts.database.read() as tx:
        _, found = db.revocations_since(tx, 0)
    events = [
        {"issued_before": time_text(each.issued_before), EVENT_FIELDS[each.kind]: each.value}
        for each in found
        if each.kind in EVENT_FIELDS
    ]
    return answer_list(request, "events", events)
