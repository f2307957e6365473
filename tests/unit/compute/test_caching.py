"""Images fetched before a server needs them."""

from __future__ import annotations

import threading
import time

from nova_lite.compute.caching import MOST, ImageFetcher
from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.model import wire
from nova_lite.model.image import ImageSource
from nova_lite.rpc.compute import CacheImages


class Driver:
    """Fetches when it is let, and fails for the image `bad`."""

    def __init__(self):
        self.fetched = []
        self.go = threading.Event()
        self.began = threading.Event()

    def cache_image(self, source, stop):
        self.began.set()
        while not self.go.wait(0.01):
            if stop.is_set():
                raise Stopped
        if source.image_id == "bad":
            raise VirtError("The image is gone.")
        self.fetched.append((source.image_id, source.ticket))


def asked(*names, ticket="t"):
    sources = tuple(
        ImageSource(
            image_id=name, sha512=name, size_bytes=1, virtual_size_bytes=1, disk_format="raw", url="http://i", ticket=ticket
        )
        for name in names
    )
    return wire.to_plain(CacheImages(images=sources))


def wait_until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_images_are_fetched_one_after_another_and_a_bad_one_is_in_nobodys_way():
    driver = Driver()
    fetcher = ImageFetcher(driver)
    driver.go.set()

    fetcher.cache_images(asked("a", "bad", "b"))

    wait_until(lambda: [name for name, _ in driver.fetched] == ["a", "b"])
    fetcher.stop(5)


def test_an_image_that_waits_is_fetched_once_with_the_newer_ticket():
    driver = Driver()
    fetcher = ImageFetcher(driver)
    fetcher.cache_images(asked("a"))
    driver.began.wait(5)
    fetcher.cache_images(asked("b", ticket="old"))
    fetcher.cache_images(asked("b", ticket="new"))

    driver.go.set()

    wait_until(lambda: len(driver.fetched) == 2)
    assert driver.fetched == [("a", "t"), ("b", "new")]
    fetcher.stop(5)


def test_more_than_can_wait_is_forgotten_and_a_stop_ends_all():
    driver = Driver()
    fetcher = ImageFetcher(driver)
    fetcher.cache_images(asked("first"))
    driver.began.wait(5)

    fetcher.cache_images(asked(*(str(number) for number in range(MOST + 5))))
    assert len(fetcher._waiting) == MOST
    fetcher.stop(5)

    assert driver.fetched == []
    fetcher.cache_images(asked("late"))
    assert fetcher._thread is None or not fetcher._thread.is_alive()
