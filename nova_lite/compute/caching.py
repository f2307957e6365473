"""Images that are fetched before a server needs them: one after another, in a thread that no command waits for."""

from __future__ import annotations

import collections
import logging
import threading
from collections.abc import Mapping
from typing import Any

from nova_lite.compute.virt.driver import Stopped, VirtDriver, VirtError
from nova_lite.model import wire
from nova_lite.model.image import ImageSource
from nova_lite.rpc.compute import CacheImages

LOG = logging.getLogger(__name__)
MOST = 100  # images that wait; more are forgotten, as a server fetches what it needs all the same


class ImageFetcher:
    """What is to be fetched, in the order in which it was asked for."""

    def __init__(self, driver: VirtDriver) -> None:
        """Nothing runs before the first request."""
        self._driver = driver
        self._lock = threading.Lock()
        self._waiting: collections.OrderedDict[str, ImageSource] = collections.OrderedDict()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def cache_images(self, body: Mapping[str, Any]) -> None:
        """Handle CacheImages. An image that waits already gets the newer ticket."""
        asked = wire.from_plain(CacheImages, body).images
        with self._lock:
            for source in asked:
                if source.image_id in self._waiting or len(self._waiting) < MOST:
                    self._waiting[source.image_id] = source
                else:
                    LOG.warning("Too many images are to be fetched; one is left out.", extra={"image": source.image_id})
            if self._waiting and self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._work, name="image-fetcher", daemon=True)
                self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Give up what is being fetched: what came of it is kept, and the next fetch goes on from there."""
        with self._lock:
            self._stop.set()
            self._waiting.clear()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _work(self) -> None:
        while (source := self._next()) is not None:
            try:
                self._driver.cache_image(source, self._stop)
            except Stopped:
                return
            except VirtError as error:
                extra = {"image": source.image_id, "why": error.message}
                LOG.warning("An image could not be fetched ahead.", extra=extra)

    def _next(self) -> ImageSource | None:
        with self._lock:
            if not self._waiting:
                self._thread = None
                return None
            return self._waiting.popitem(last=False)[1]
