"""Safe retry: a mutating request with an Idempotency-Key is done once, and its answer given again (docs/operate/safe-retry.md).

The database never sees the key. Three secrets are derived from it: a name to find it by, one that makes the request's
fingerprint (its body may hold a password), and one that seals the answer (it may hold a password too).
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import os
import re
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from nova_lite import errors
from nova_lite.api.body import media_type
from nova_lite.api.route import Answer, Request, Route, encoded
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable import idempotency
from nova_lite.durable.idempotency import AlreadyDone, Ticket

HEADER = "IDEMPOTENCY-KEY"
REPLAYED = "Idempotency-Replayed"
MUTATING = ("POST", "PUT", "PATCH", "DELETE")
NONCE = 12
_KEY_FORM = re.compile(r"[\x20-\x7e]{1,255}", re.ASCII)
# Headers that are a part of what is asked, not of how it is sent.
_ASKING_HEADERS = ("X-SUBJECT-TOKEN",)


def answer(request: Request) -> Answer:
    """Have a checked request handled: once, if it carries a key.

    Raises: BadRequest for a malformed key; Unprocessable for the key of another request; what the handler raises, and
    then nothing was written or kept: the next try is judged anew.
    """
    key = request.headers.get(HEADER)
    if key is None or not _is_kept(request.route):
        return request.route.handler(request)
    if not _KEY_FORM.fullmatch(key):
        raise errors.BadRequest("An Idempotency-Key has 1 to 255 printable ASCII characters.")
    return Kept(request, key).answer()


def _is_kept(route: Route) -> bool:
    return route.method in MUTATING and route.kept and not route.raw


class Kept:
    """A request with its key."""

    def __init__(self, request: Request, key: str) -> None:
        """Derive what stands for the key in the database."""
        self._request = request
        scope = _scope(request)
        derived = HKDF(hashes.SHA256(), length=96, salt=scope, info=b"nova-lite kept answers").derive(key.encode())
        fingerprint = hmac.digest(derived[32:64], _asked(request), "sha256")
        self._ticket = Ticket(scope=scope.hex(), key=derived[:32].hex(), fingerprint=fingerprint.hex())
        self._box = AESGCM(derived[64:])

    def answer(self) -> Answer:
        """Give the kept answer, or do what is asked and keep it, in one transaction.

        The same request may be done elsewhere meanwhile: then this one fails, and the answer is there.
        """
        known = self._recall()
        if known is not None:
            return known
        request = self._request
        try:
            return request.parts.database.jointly(
                lambda: request.route.handler(request),
                first=lambda tx: idempotency.reserve(tx, self._ticket),
                last=self._keep,
            )
        except (errors.NovaLiteError, AlreadyDone) as error:
            known = self._recall()
            if known is not None:
                return known
            if isinstance(error, AlreadyDone):
                raise errors.Unavailable("The first answer to this request has just been forgotten.") from error
            raise

    def _recall(self) -> Answer | None:
        with self._request.parts.database.read() as tx:
            sealed = idempotency.recall(tx, self._ticket)
        return None if sealed is None else self._opened(sealed)

    def _keep(self, tx: Tx, given: Answer) -> None:
        """Seal an answer: its head as JSON in the first line, then the body as it was sent."""
        if given.stream is not None:
            raise ValueError("a stream cannot be kept: its route takes no key")
        head = {
            "status": given.status,
            "headers": dict(given.headers),
            "content_type": given.content_type,
            "roles": sorted(self._request.context.roles),
        }
        nonce = os.urandom(NONCE)
        sealed = nonce + self._box.encrypt(nonce, orjson.dumps(head) + b"\n" + encoded(given.body), self._bound_to())
        idempotency.keep(tx, self._ticket, given.status, base64.b64encode(sealed).decode())

    def _opened(self, text: str) -> Answer:
        """Read a sealed answer. Raises: Forbidden when the caller has lost a role since: handlers' rules may need it."""
        sealed = base64.b64decode(text)
        head, body = self._box.decrypt(sealed[:NONCE], sealed[NONCE:], self._bound_to()).split(b"\n", 1)
        known: dict[str, Any] = orjson.loads(head)
        if not self._request.context.roles.issuperset(known.pop("roles")):
            raise errors.Forbidden("Your roles are fewer than when this request was done; its answer is not given again.")
        again = Answer(body=body, **known)
        return dataclasses.replace(again, headers={**again.headers, REPLAYED: "true"})

    def _bound_to(self) -> bytes:
        ticket = self._ticket
        return f"{ticket.scope} {ticket.key} {ticket.fingerprint}".encode()


def _scope(request: Request) -> bytes:
    """Hash whose key it is: a user with a token's scope. Where no token is needed, it is the path's."""
    context: Context = request.context
    owner: list[object] = [context.user_id, context.project_id, context.domain_id, context.system_scope]
    if not request.route.token:
        owner.append(request.path)
    return hashlib.sha256(orjson.dumps(owner)).digest()


def _asked(request: Request) -> bytes:
    """Write down what is asked: method, path, query, microversion, body (in whatever order its fields are)."""
    asked = {
        "method": request.method,
        "path": request.path,
        "query": request.raw.query_string,
        "version": request.version,
        "media": media_type(request.raw) if request.body is not None else "",
        "headers": [request.headers.get(name) for name in _ASKING_HEADERS],
        "body": request.body,
    }
    return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
