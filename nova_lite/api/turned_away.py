"""What the doorman says to whom it turns away: 503 with a time to come back, in each service's own shape."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from nova_lite import errors
from nova_lite.api import faults
from nova_lite.api.admission import RETRY_S
from nova_lite.api.lanes import Lane
from nova_lite.api.route import encoded
from nova_lite.api.service import Service
from nova_lite.context import new_request_id

NAME = "nova_lite_requests_turned_away"
_COUNT = struct.Struct("=Q")


class Answers:
    """The answers as they go over the wire, but for the request id."""

    def __init__(self, services: Iterable[Service]) -> None:
        """Write one for each service; who asks for a path of none is told in Identity's shape."""
        self._known = {service.prefix.encode(): _written(service.name, service.request_id_header) for service in services}
        self._other = _written("identity", None)

    def to(self, head: bytes) -> bytes:
        """Give the whole answer to a request that begins so."""
        method, _, rest = head.partition(b" ")
        service = b"/" + rest.lstrip(b"/").partition(b"/")[0]
        before, body = self._known.get(service, self._other)
        answer = before.replace(b"%ID", new_request_id().encode())
        return answer if method == b"HEAD" else answer + body


def _written(service: str, old_name: str | None) -> tuple[bytes, bytes]:
    """Give head and body; `%ID` stands where the request id comes."""
    error = errors.Busy("Too many requests come at the moment; try again in a moment.", retry_after_s=RETRY_S)
    answer = faults.answer(service, error, accept="application/json")
    body = encoded(answer.body)
    lines = {"Content-Type": answer.content_type, "Content-Length": str(len(body)), **answer.headers, "Connection": "close"}
    lines |= dict.fromkeys(["X-Openstack-Request-Id", *([old_name] if old_name else [])], "%ID")
    told = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {answer.status} {faults.phrase(answer.status)}\r\n{told}\r\n".encode(), body


class TurnedAway(Collector):
    """How many were turned away, by kind: counted by one process, shown on /metrics by another one."""

    def __init__(self) -> None:
        """Have the memory that both share; before the fork."""
        self._memory = mmap.mmap(-1, _COUNT.size * len(Lane))
        self._places = {lane: _COUNT.size * number for number, lane in enumerate(Lane)}

    def add(self, lane: Lane) -> None:
        """Count one more; for one process only."""
        _COUNT.pack_into(self._memory, self._places[lane], self.count(lane) + 1)

    def count(self, lane: Lane) -> int:
        """Give the number so far."""
        return int(_COUNT.unpack_from(self._memory, self._places[lane])[0])

    def collect(self) -> Iterator[Metric]:
        """Show them; prometheus_client's method."""
        told = CounterMetricFamily(NAME, "Requests told to come back before a process took them, by kind.", labels=["kind"])
        for lane in Lane:
            told.add_metric([lane.value.label], self.count(lane))
        yield told
