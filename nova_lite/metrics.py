"""Counters that a daemon shows on /metrics. Labels take few values: never ids, names of servers or addresses."""

from __future__ import annotations

from prometheus_client import Counter

MESSAGES_SENT = Counter("nova_lite_messages_sent", "Messages that the broker took from this process.", ["method"])
MESSAGES_NOT_SENT = Counter("nova_lite_messages_not_sent", "Messages that the broker did not take in time.")
MESSAGES_HANDLED = Counter("nova_lite_messages_handled", "Messages whose handler ran, by its end.", ["method", "outcome"])
MESSAGES_REFUSED = Counter("nova_lite_messages_refused", "Messages dropped before any handler saw them.", ["reason"])
DOORBELLS_LOST = Counter("nova_lite_doorbells_lost", "Doorbells dropped because the broker was slow or away.")
LISTENER_RESTARTS = Counter("nova_lite_listener_restarts", "Rebuilt receiving connections.")
