"""Which registrations a host sent, and which answer it follows. Each message has a nonce of its own.

Every registration raises the incarnation on the control side. So only the answer to the last one counts, and when an earlier
one turns out to have been counted later, the host registers once more. In each incarnation the looks at the guests are counted.
"""

from __future__ import annotations

import collections
import enum
import uuid

FIRST_S, MOST_S = 2.0, 30.0


class Verdict(enum.Enum):
    """What to do with a Welcome."""

    TAKEN = "taken"
    IGNORED = "ignored"
    AGAIN = "again"  # register again


class Registrations:
    """The state; the caller holds a lock."""

    def __init__(self) -> None:
        """A first registration is wanted."""
        self.incarnation: int | None = None
        self._looks = 0
        self._nonces: collections.deque[str] = collections.deque(maxlen=100)
        self._current: str | None = None
        self._wanted = True
        self._pause_s = FIRST_S

    def begin_look(self) -> tuple[int | None, int]:
        """Number what is seen from now on: give the incarnation and the number, which rises from 1."""
        self._looks += 1
        return self.incarnation, self._looks

    def begin_again(self) -> bool:
        """Want another registration; False when one is wanted already."""
        if self._wanted:
            return False
        self._wanted, self._pause_s, self._current = True, FIRST_S, None
        return True

    def next_nonce(self) -> str | None:
        """Give the nonce of the next registration, None when none is wanted."""
        if not self._wanted:
            return None
        self._current = str(uuid.uuid4())
        self._nonces.append(self._current)
        return self._current

    def pause(self) -> float:
        """Give the seconds until the next try."""
        pause, self._pause_s = self._pause_s, min(self._pause_s * 2, MOST_S)
        return pause

    def answered(self, nonce: str, incarnation: int, refused: int | None = None) -> Verdict:
        """Take a Welcome. An empty nonce asks to register again; not one that was only just left: `refused` says which."""
        if nonce == "" and refused is not None and refused != self.incarnation:
            return Verdict.IGNORED  # an old heartbeat was in the broker for long
        newer = self.incarnation is None or incarnation > self.incarnation
        if self._wanted and nonce == self._current:
            self._wanted = False
            self.incarnation, self._looks = incarnation, 0
            return Verdict.TAKEN
        if nonce == "" or (nonce in self._nonces and newer and not self._wanted):
            return Verdict.AGAIN if self.begin_again() else Verdict.IGNORED
        return Verdict.IGNORED
