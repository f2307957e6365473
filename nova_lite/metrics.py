"""Counters that a daemon shows on /metrics. Labels take few values: never ids, names of servers or addresses."""

from __future__ import annotations

from prometheus_client import Counter

MESSAGES_SENT = Counter("nova_lite_messages_sent", "Messages that the broker took from this process.", ["method"])
MESSAGES_NOT_SENT = Counter("nova_lite_messages_not_sent", "Messages that the broker did not take in time.")
MESSAGES_HANDLED = Counter("nova_lite_messages_handled", "Messages whose handler ran, by its end.", ["method", "outcome"])
MESSAGES_REFUSED = Counter("nova_lite_messages_refused", "Messages dropped before any handler saw them.", ["reason"])
DOORBELLS_LOST = Counter("nova_lite_doorbells_lost", "Doorbells dropped because the broker was slow or away.")
NOTIFICATIONS_SENT = Counter("nova_lite_notifications_sent", "Notifications that the broker took from this process.")
NOTIFICATIONS_LOST = Counter("nova_lite_notifications_lost", "Notifications dropped because the broker was slow or away.")
LISTENER_RESTARTS = Counter("nova_lite_listener_restarts", "Rebuilt receiving connections.")
OPERATIONS_ENDED = Counter(
    "nova_lite_operations_ended", "Operations that ended, by workflow and outcome.", ["workflow", "outcome"]
)
LEASES_LOST = Counter("nova_lite_leases_lost", "Operations that another runner took from this process.")
REPORTS_DROPPED = Counter("nova_lite_reports_dropped", "Hosts' reports that came again, too late, or for an ended operation.")
HOSTS_SET_ASIDE = Counter("nova_lite_hosts_set_aside", "Hosts that got no new servers for a while after failed builds.")
REQUESTS_REFUSED = Counter("nova_lite_requests_refused", "Requests told to come back, by kind: more came than fit.", ["kind"])
LOOKS_REFUSED = Counter(
    "nova_lite_looks_refused", "Heartbeats and power changes not believed: late, or of another incarnation.", ["reason"]
)
COMMANDS_REFUSED = Counter(
    "nova_lite_commands_refused", "Commands that a host refused: late, or of another incarnation.", ["reason"]
)
IMAGE_DOWNLOADS = Counter(
    "nova_lite_image_downloads",
    "Requests for images' data, by who asked (user, host) and their end: whole, part (of what was to be part), cut.",
    ["by", "outcome"],
)
IMAGE_BYTES_SENT = Counter("nova_lite_image_bytes_sent", "Bytes of images that were sent, by who asked (user, host).", ["by"])
