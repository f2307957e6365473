"""The contract of stores, for each of them; and what a filesystem does besides."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
import uuid

import pytest

from nova_lite import errors
from nova_lite.image.stores import filesystem
from nova_lite.image.stores.base import key_of
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.stores.registry import make_store

MIB = 1 << 20
HOLD = """
import sys, time
from pathlib import Path
from nova_lite.image.stores.filesystem import FilesystemStore
writing = FilesystemStore(Path(sys.argv[1])).begin(sys.argv[2], None)
writing.append(b"half")
if sys.argv[3] == "finalize":
    writing.finalize()
print("holding", flush=True)
time.sleep(60)
"""


def new_key():
    return key_of(str(uuid.uuid4()), str(uuid.uuid4()))


@pytest.fixture(params=["file"])
def a_store(request, tmp_path):
    return make_store((tmp_path / "images").as_uri())


def put(store, data):
    writing = store.begin(new_key(), len(data))
    writing.append(data)
    location = writing.finalize()
    writing.close()
    return location


def read(store, location, start, length):
    opened = store.open(location, start, length)
    try:
        return opened.read()
    finally:
        opened.close()


def everything(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_bytes_come_back_whole_and_in_part(a_store):
    location = put(a_store, b"0123456789")

    assert a_store.size(location) == 10
    assert read(a_store, location, 0, 10) == b"0123456789"
    assert read(a_store, location, 3, 4) == b"3456"
    assert read(a_store, location, 9, 5) == b"9"


def test_a_reader_gives_no_more_than_its_part_in_any_pieces(a_store):
    opened = a_store.open(put(a_store, b"0123456789"), 2, 5)

    assert [opened.read(3), opened.read(3), opened.read(3)] == [b"234", b"56", b""]
    opened.close()
    opened.close()


def test_an_empty_image_is_one(a_store):
    assert a_store.size(put(a_store, b"")) == 0


def test_nothing_is_visible_before_finalize_and_nothing_left_after_close(a_store, tmp_path):
    key = new_key()
    writing = a_store.begin(key, None)
    writing.append(b"half")

    with pytest.raises(errors.NotFound):
        a_store.open(f"file:{key}", 0, 4)
    writing.close()
    writing.close()

    assert everything(tmp_path) == []
    with pytest.raises(ValueError):
        writing.append(b"more")


def test_delete_frees_the_space_may_be_repeated_and_lets_readers_finish(a_store, tmp_path):
    location = put(a_store, b"0123456789")
    opened = a_store.open(location, 0, 10)

    a_store.delete(location)
    a_store.delete(location)

    assert opened.read() == b"0123456789"
    opened.close()
    for ask in (lambda: a_store.open(location, 0, 1), lambda: a_store.size(location)):
        with pytest.raises(errors.NotFound):
            ask()


@pytest.mark.parametrize("location", ["", "file:", "file:../../etc/passwd", "s3:x", "file:/etc/passwd"])
def test_locations_that_are_none_lead_nowhere(a_store, location):
    with pytest.raises(errors.NotFound):
        a_store.open(location, 0, 1)


def test_keys_are_made_of_ids_only(a_store):
    with pytest.raises(ValueError):
        a_store.begin("../x", None)


def test_an_upload_is_alive_until_it_is_closed(a_store):
    key = new_key()
    writing = a_store.begin(key, None)

    alive = [a_store.is_alive(key)]
    writing.finalize()
    alive.append(a_store.is_alive(key))
    writing.close()
    alive.append(a_store.is_alive(key))

    assert alive == [True, True, False]
    assert not a_store.is_alive(new_key())


def test_a_sweep_spares_what_lives_and_what_is_known(a_store):
    location = put(a_store, b"known")
    writing = a_store.begin(new_key(), None)
    writing.append(b"half")

    swept = a_store.sweep({location})

    assert (swept.leftovers, swept.orphans) == (0, 0)
    writing.append(b"more")
    assert a_store.size(writing.finalize()) == 8
    writing.close()


@pytest.mark.parametrize(("how", "alive_after", "left"), [("append", False, 0), ("finalize", False, 1)])
def test_what_a_killed_process_left_is_told_from_what_lives_and_removed(tmp_path, how, alive_after, left):
    store, key = FilesystemStore(tmp_path), new_key()
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), key, how], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"holding\n"
        alive = store.is_alive(key)
        before = store.sweep(set())
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()

    after = store.sweep(set())

    assert alive
    assert (before.leftovers, before.orphans) == (0, 0)
    assert store.is_alive(key) is alive_after
    assert after.leftovers == 1 - left
    assert len(everything(tmp_path)) == left  # a finished file without a name in the records is removed only when it is old


def test_old_bytes_that_no_record_names_are_removed(tmp_path, monkeypatch):
    store = FilesystemStore(tmp_path)
    known, unknown = put(store, b"known"), put(store, b"unknown")
    monkeypatch.setattr(filesystem.time, "time", lambda: time.monotonic() * 0 + os.stat(tmp_path).st_ctime + 10_000)

    swept = store.sweep({known})

    assert swept.orphans == 1
    assert store.size(known) == 5
    with pytest.raises(errors.NotFound):
        store.size(unknown)


def test_files_of_others_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "incoming").mkdir(parents=True)
    (tmp_path / "incoming" / "README").write_text("mine")

    FilesystemStore(tmp_path).sweep(set())

    assert (tmp_path / "incoming" / "README").exists()


def test_what_does_not_fit_is_refused_before_it_comes(tmp_path):
    store = FilesystemStore(tmp_path, free_bytes=lambda folder: 100)

    with pytest.raises(errors.InsufficientStorage, match="100 bytes are free, 101 are needed"):
        store.begin(new_key(), 101)

    assert everything(tmp_path) == []


def test_a_store_that_fills_meanwhile_refuses(tmp_path, monkeypatch):
    monkeypatch.setattr(filesystem, "CHECK_EVERY", 10)
    free = [1000]
    writing = FilesystemStore(tmp_path, free_bytes=lambda folder: free[0]).begin(new_key(), None)
    writing.append(b"0123456789")
    free[0] = 0

    with pytest.raises(errors.InsufficientStorage):
        writing.append(b"0123456789")
    writing.close()

    assert everything(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], check=False, capture_output=True, timeout=10
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", "-l", place], check=True, timeout=10)


def test_a_full_disk_is_told_and_nothing_stays(small_disk):
    store = FilesystemStore(small_disk, free_bytes=lambda folder: 1 << 40)
    writing = store.begin(new_key(), None)

    with pytest.raises(errors.InsufficientStorage):
        for _ in range(8):
            writing.append(bytes(MIB))
    writing.close()

    assert everything(small_disk) == []


def test_the_disks_own_free_space_is_watched_with_a_reserve(small_disk):
    store = FilesystemStore(small_disk)

    store.begin(new_key(), 3 * MIB).close()
    with pytest.raises(errors.InsufficientStorage):
        store.begin(new_key(), 4 * MIB)


def test_a_store_that_fails_is_unavailable(tmp_path, monkeypatch):
    writing = FilesystemStore(tmp_path).begin(new_key(), None)

    def fail(*_arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(filesystem.os, "write", fail)
    with pytest.raises(errors.Unavailable):
        writing.append(b"x")
    writing.close()


def test_a_store_without_its_folder_is_unavailable(tmp_path):
    (tmp_path / "plain").write_text("a file")

    with pytest.raises(errors.Unavailable):
        FilesystemStore(tmp_path / "plain").begin(new_key(), None)


@pytest.mark.parametrize("url", ["ftp://x/y", "file://host/path", "file:relative", "/plain", ""])
def test_stores_that_do_not_exist_are_told_at_the_start(url):
    with pytest.raises(errors.ConfigError, match=r"\[image\] store"):
        make_store(url)
