"""The watch looks again and again, and a failure ends neither it nor the daemon."""

from __future__ import annotations

import threading

from nova_lite.compute.wiring.port import WiringError
from nova_lite.compute.wiring.watch import Watch


def test_a_failure_is_told_once_and_looking_goes_on(caplog):
    looks = 0
    enough = threading.Event()

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks >= 4:
            enough.set()
        raise WiringError("dnsmasq could not be run.")

    watch = Watch(look, every_s=0.01)
    watch.begin()
    watch.begin()
    assert enough.wait(5)
    watch.end()

    assert [record.message for record in caplog.records] == ["The host's network is not whole: dnsmasq could not be run."]
    assert not [thread for thread in threading.enumerate() if thread.name == "wiring-watch"]
