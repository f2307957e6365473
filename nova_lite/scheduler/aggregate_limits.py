"""Numbers that aggregates set for each of their hosts."""

from __future__ import annotations

from nova_lite.model.host import Host


def least(host: Host, key: str) -> int | None:
    """Give the smallest number that the host's aggregates give a key; what is no number is left out."""
    numbers = [int(text) for text in host.aggregate_values.get(key, ()) if text.isascii() and text.isdigit()]
    return min(numbers, default=None)
