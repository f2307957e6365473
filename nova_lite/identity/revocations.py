"""What makes tokens worthless before they expire: written in the database, read beside the requests."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Iterable

from nova_lite.clock import Clock
from nova_lite.db import identity as db
from nova_lite.db.engine import Database, Tx
from nova_lite.identity.keys import EXPIRED_S
from nova_lite.model.identity import Revocation

AUDIT, USER, PROJECT, DOMAIN, GRANT, CREDENTIAL = "audit_id", "user", "project", "domain", "grant", "credential"
TRUST, ACCESS_TOKEN, KEY_PAIR = "trust", "access_token", "key_pair"
LONGEST_TOKEN_S = 604_800.0  # the highest value of [identity] token_lifetime
KEPT_S = LONGEST_TOKEN_S + EXPIRED_S + 86_400.0  # a day more: clocks of apis differ
FULL_READ_EACH = 60


def grant_value(user_id: str, target_id: str) -> str:
    """Name a user in one scope."""
    return hashlib.sha256(f"{user_id}\0{target_id}".encode()).hexdigest()


def revoke(tx: Tx, kind: str, value: str) -> None:
    """Make the tokens of a user, project, domain, grant, or with an audit id worthless, whose login began before the commit."""
    now = tx.database.clock.wall()
    row = Revocation(kind=kind, value=value, issued_before=now, expires_at=now + KEPT_S)
    db.insert_revocation(tx, row, now)


def revoke_grants(tx: Tx, user_ids: Iterable[str], target_id: str) -> None:
    """Make the tokens of users in one scope worthless."""
    for user_id in user_ids:
        revoke(tx, GRANT, grant_value(user_id, target_id))


@dataclasses.dataclass(frozen=True)
class Made:
    """When a token was made: after which revocation, since clocks differ; a token of release 1.0 only has the time."""

    issued_at: float
    after: int | None


class Revocations:
    """The revocations in memory. `refresh` reads what is new; nothing else here does I/O."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Nothing is read before the first `refresh`."""
        self.database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._last_id = 0
        self._reads = 0
        self._newest: dict[tuple[str, str], int] = {}
        self._before: dict[tuple[str, str], float] = {}
        self._expiry: dict[tuple[str, str], float] = {}
        self.loaded = False

    def refresh(self) -> None:
        """Read new rows; each minute all of them, dropping the expired. Raises: Unavailable."""
        with self._lock:
            everything = self._reads % FULL_READ_EACH == 0
            with self.database.read() as tx:
                last_id, found = db.revocations_since(tx, 0 if everything else self._last_id)
            self._last_id = max(last_id, self._last_id)
            for revocation in found:
                self._note(revocation)
            if everything:
                self._drop_expired()
            self._reads += 1
            self.loaded = True

    def _note(self, revocation: Revocation) -> None:
        key = (revocation.kind, revocation.value)
        self._newest[key] = max(revocation.id or 0, self._newest.get(key, 0))
        self._before[key] = max(revocation.issued_before, self._before.get(key, 0.0))
        self._expiry[key] = max(revocation.expires_at, self._expiry.get(key, 0.0))

    def _drop_expired(self) -> None:
        now = self._clock.wall()
        for key in [key for key, expiry in self._expiry.items() if expiry < now]:
            del self._expiry[key]
            del self._before[key], self._newest[key]

    def covers(self, kind: str, value: str | None, made: Made) -> bool:
        """Tell whether a token that was made then is revoked by this; one with a revoked audit id always is."""
        if value is None or (kind, value) not in self._newest:
            return False
        if kind == AUDIT:
            return True
        if made.after is None:
            return made.issued_at <= self._before[kind, value]
        return self._newest[kind, value] > made.after

    @property
    def any(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._before)
