"""What a host says of its effort: the image it fetched, the image it had, no image, and nothing of others' work."""

from __future__ import annotations

import threading

import pytest
from unit.compute.disks.test_cache import DATA, Store, source

from nova_lite.compute.disks.cache import ImageCache
from nova_lite.compute.effort import Effort, count_image, measured


def cache_in(folder):
    store = Store()
    store.put(DATA)
    return ImageCache(folder / "images", set, fetch=store.fetch)


def effort_of(act):
    effort = Effort()
    with measured(effort):
        act()
    return effort


def test_the_first_use_of_an_image_fetches_it_and_the_next_finds_it(tmp_path):
    cache = cache_in(tmp_path)

    first = effort_of(lambda: cache.ensure(source(), threading.Event()))
    second = effort_of(lambda: cache.ensure(source(), threading.Event()))

    assert (first.image_bytes, second.image_bytes) == (len(DATA), 0)
    assert first.seconds is not None and first.seconds >= 0


def test_work_without_an_image_says_nothing_of_one():
    assert effort_of(lambda: None).image_bytes is None


def test_work_that_fails_is_measured_too():
    effort = Effort()
    with pytest.raises(ValueError), measured(effort):
        count_image(7)
        raise ValueError

    assert (effort.image_bytes, effort.seconds is not None) == (7, True)


def test_what_another_thread_fetches_is_not_ours():
    def elsewhere():
        thread = threading.Thread(target=count_image, args=(9,))
        thread.start()
        thread.join()

    assert effort_of(elsewhere).image_bytes is None
