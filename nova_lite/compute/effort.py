"""What a piece of a host's work took, for its report: the seconds, and the bytes of image that had to be fetched."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import time
from collections.abc import Callable, Iterator

from nova_lite.model.migration import Progress


@dataclasses.dataclass(eq=False)
class Effort:
    """Of one work. `image_bytes` stays None when it needed no image, and is 0 when the host had it."""

    seconds: float | None = None
    image_bytes: int | None = None
    tell: Callable[[Progress], None] | None = None  # where progress goes


_IN_HAND: contextvars.ContextVar[Effort | None] = contextvars.ContextVar("effort", default=None)


@contextlib.contextmanager
def measured(effort: Effort) -> Iterator[None]:
    """Measure what this thread does in the block."""
    began, token = time.monotonic(), _IN_HAND.set(effort)
    try:
        yield
    finally:
        _IN_HAND.reset(token)
        effort.seconds = round(time.monotonic() - began, 3)


def count_image(fetched_bytes: int) -> None:
    """Count an image that this thread's work needed, and how much of it was fetched; 0: it was here."""
    effort = _IN_HAND.get()
    if effort is not None:
        effort.image_bytes = (effort.image_bytes or 0) + fetched_bytes


def tell(progress: Progress) -> None:
    """Tell how far this thread's work is; nobody, when nobody wants to know."""
    effort = _IN_HAND.get()
    if effort is not None and effort.tell is not None:
        effort.tell(progress)
