"""Which threads a request waits for: changes, lists, logins and operators' looks have their own, apart from all others.

With one queue for everything, an operator's look waits behind each create that came before it, and who waits for a slot of
a kind holds a thread that others need. So the doorman looks at a request's first bytes before anybody serves it. What he
cannot tell by them goes the common way; only the order in which requests are served depends on it, for how many slots
each kind and project has is counted in `admission`.
"""

from __future__ import annotations

import enum

from nova_lite.api.admission import OPERATORS, Kind

HEAD_BYTES = 8192
_READS = (b"GET", b"HEAD")
_CHANGES = (b"POST", b"PUT", b"PATCH", b"DELETE")
_LOGIN = b"/auth/tokens"
_BYTES = b"/file"  # image bytes, which may move for hours
_LOOKS = (b"/healthz", *(b"/compute/v2.1" + path.encode("ascii") for path in OPERATORS))
_DETAIL = b"/detail"
_LIST_DEPTH = 3  # slashes in /compute/v2.1/servers


class Lane(enum.Enum):
    """A queue of requests with threads of its own, named for the kind that is most of it."""

    COMMON = Kind.READ
    CHANGE = Kind.CHANGE
    LIST = Kind.LIST
    LOGIN = Kind.LOGIN
    OPERATOR = Kind.OPERATOR


def lane_of(head: bytes) -> Lane:
    """Tell a request's lane by its first bytes. One whose headers are not all there is common: it may keep a thread waiting."""
    line, complete, _ = head.partition(b"\r\n\r\n")
    method, _, rest = line.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0].rstrip(b"/")
    if not complete:
        return Lane.COMMON
    if method in _READS:
        return _lane_of_read(path)
    if method == b"POST" and path.endswith(_LOGIN):
        return Lane.LOGIN
    if method in _CHANGES and not path.endswith(_BYTES):
        return Lane.CHANGE
    return Lane.COMMON


def _lane_of_read(path: bytes) -> Lane:
    if path.startswith(_LOOKS):
        return Lane.OPERATOR
    return Lane.LIST if path.removesuffix(_DETAIL).count(b"/") == _LIST_DEPTH else Lane.COMMON


def threads_of(lane: Lane, threads: int) -> int:
    """Say how many threads a lane has, when there are so many common ones: twice as many as its kind has slots.

    Half of them serve then; the others wait for a slot, where a modest project overtakes a greedy one, and refuse.
    """
    return max(2, 2 * threads // lane.value.divisor)
