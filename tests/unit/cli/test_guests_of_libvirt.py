"""Looking at libvirt from a command: what hangs there does not hang the command."""

from __future__ import annotations

import threading
import time

import pytest

from nova_lite import errors

guests_of_libvirt = pytest.importorskip("nova_lite.cli.guests_of_libvirt", reason="libvirt's library is not installed")


def test_a_libvirt_that_hangs_is_told_in_time():
    released = threading.Event()
    began = time.monotonic()

    with pytest.raises(errors.Unavailable, match="does not answer within 0 s"):
        guests_of_libvirt.within(0.2, released.wait)

    assert time.monotonic() - began < 5
    released.set()


def test_what_is_found_or_refused_is_passed_on():
    def refuse():
        raise errors.Unavailable("libvirt: no")

    assert guests_of_libvirt.within(5, lambda: [1]) == [1]
    with pytest.raises(errors.Unavailable, match="libvirt: no"):
        guests_of_libvirt.within(5, refuse)
