#!/usr/bin/env python3
"""Lists the hosts of a cloud, then prints what happens to its servers: a start for a client of one's own.

    python watch.py BROKER_URL [NUMBER]

BROKER_URL is the control side's (keys/broker.url in state_dir). With NUMBER it ends after so many notifications.
"""

from __future__ import annotations

import sys
import threading

from oslo_config import cfg

from nova_lite.rpc.scheduler import SchedulerClient
from nova_lite.rpc.transport import RabbitTransport, library_url, oslo_messaging


def list_hosts(url: str) -> None:
    """Ask a scheduler for the hosts; it answers from memory."""
    transport = RabbitTransport(url)
    for host in SchedulerClient(transport).list_hosts():
        state = "up" if host.up else "down"
        free_mib = host.limit.ram_mib - host.used.ram_mib
        print(f"host {host.name} zone={host.zone} {state} {host.running} servers, {free_mib} MiB free", flush=True)
    transport.close()


class Watcher:
    """The endpoint: oslo.messaging calls the method of each notification's priority."""

    filter_rule = oslo_messaging.NotificationFilter(event_type=r"^instance\.")

    def __init__(self, wanted: int) -> None:
        """Count down from `wanted`; below 1: never end."""
        self.left = wanted
        self.done = threading.Event()
        self._seen: set[str] = set()
        self._lock = threading.Lock()  # the listener has several threads, and their lines must not run into one another

    def info(self, _context: object, _publisher: str, event: str, payload: dict, metadata: dict) -> None:
        """Print one; a repetition of what was seen has the same message id."""
        with self._lock:
            if metadata["message_id"] in self._seen:
                return
            self._seen.add(metadata["message_id"])
            server = payload["nova_object.data"]
            print(f"{metadata['timestamp']} {event} {server['uuid']} {server['state']} on {server['host']}", flush=True)
            self.left -= 1
            if self.left == 0:
                self.done.set()

    error = info


def watch(url: str, wanted: int) -> None:
    """Print notifications until enough have come.

    From the common queue, which has what was sent before too; its messages go to one reader each. With `pool="a-name"` a
    listener gets a queue of its own, from its start on.
    """
    parsed = oslo_messaging.TransportURL.parse(cfg.CONF, library_url(url, connections=1))
    transport = oslo_messaging.get_notification_transport(cfg.CONF, url=parsed)
    targets = [oslo_messaging.Target(exchange="nova", topic="versioned_notifications")]
    watcher = Watcher(wanted)
    listener = oslo_messaging.get_notification_listener(transport, targets, [watcher], executor="threading")
    listener.start()
    print("watching", flush=True)
    watcher.done.wait()
    listener.stop()
    listener.wait()


if __name__ == "__main__":
    list_hosts(sys.argv[1])
    watch(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
