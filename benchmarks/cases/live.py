"""A live migration of the idle tiny guest with its local disk, between two libvirts of this machine through the target's door.

The guest has an operating system that is up, and goes there and back ROUNDS times. Downtime is QEMU's own count of how long
no side ran the guest; the total is from the first word to the target until it says that the guest runs there.
"""

from __future__ import annotations

import contextlib
import secrets
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[2] / "tests"
ROUNDS = 3
Figures = dict[str, tuple[float, str, str]]


def run(_folder: Path) -> Figures:
    """Go there and back."""
    sys.path.insert(0, str(TESTS))
    from unit.compute.virt.driver_contract import ONE

    totals, downtimes = [], []
    with sides() as both:
        here, there = both
        here.driver.ensure_guest(here.hypervisor.spec(ONE, config_drive=True), threading.Event())
        here.hypervisor.wait_for_console(ONE, "login:")
        for _ in range(2 * ROUNDS):
            began = time.monotonic()
            go(here, there, ONE)
            totals.append(time.monotonic() - began)
            downtimes.append(downtime_ms(there, ONE))
            here.driver.remove_guest(ONE)
            here, there = there, here
    return {
        "total, median": (statistics.median(totals), "s", "4"),
        "total, longest": (max(totals), "s", ""),
        "downtime, median": (statistics.median(downtimes), "ms", ""),
        "downtime, longest": (max(downtimes), "ms", ""),
    }


@contextlib.contextmanager
def sides() -> Iterator[tuple[Any, Any]]:
    """Have two hosts, each with a libvirt and a door of its own."""
    from real.libvirtd import Libvirtd
    from real.test_moves_on_libvirt import Side

    from nova_lite.cli.guest_image import builder

    image = builder.ensure().disk
    with contextlib.ExitStack() as stack:
        daemons = [Libvirtd(), Libvirtd()]
        for daemon in daemons:
            stack.callback(daemon.remove)
            daemon.start()
        made = [stack.enter_context(contextlib.closing(Side(*one))) for one in zip(daemons, (image, image), "ab", strict=True)]
        yield made[0], made[1]


def go(here: Any, there: Any, server_id: Any) -> None:
    """Hand the guest over."""
    token = secrets.token_urlsafe()  # as each move has one of its own
    there.driver.live.prepare(there.hypervisor.spec(server_id, config_drive=True), token, threading.Event())
    here.driver.live.migrate(server_id, there.way(token), threading.Event())
    there.driver.live.finish(server_id)


def downtime_ms(side: Any, server_id: Any) -> int:
    """Ask the hypervisor that has the guest now how long it stood still."""
    import libvirt

    connection = libvirt.open(side.libvirtd.uri)
    try:
        stats = connection.lookupByUUIDString(server_id).jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    finally:
        connection.close()
    return int(stats["downtime"])
