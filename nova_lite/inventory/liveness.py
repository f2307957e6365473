"""When a host or daemon counts as up, and when a silent host is given up for the operations that wait for it."""

from __future__ import annotations

OVERDUE_S = 40.0  # two heartbeats of 15 s missed, and a margin
LOST_S = 120.0  # from here on an operation that waits for the host goes elsewhere, or leaves a tombstone
