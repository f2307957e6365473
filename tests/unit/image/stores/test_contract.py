"""The contract of stores, for each of them; and what a filesystem does besides."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time

import pytest
from unit.image.stores.whole import new_key

from nova_lite import errors
from nova_lite.image.stores import filesystem
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.stores.registry import make_store

MIB = 1 << 20
HOLD = """
import sys, time
from nova_lite.image.stores.registry import make_store
writing = make_store(sys.argv[1]).begin(sys.argv[2], None)
writing.append(b"half" * 4)
if sys.argv[3] == "finalize":
    writing.finalize()
print("holding", flush=True)
time.sleep(60)
"""


REAL_SWIFT = pytest.param("real_swift", marks=pytest.mark.swift)
REAL_CEPH = pytest.param("rbd", marks=pytest.mark.ceph)


@pytest.fixture(params=["file", "folders", "s3", "swift", REAL_SWIFT, REAL_CEPH])
def kit(request, tmp_path):
    """Give a store that takes bytes, and what it holds."""
    return request.getfixturevalue(f"{request.param}_kit")


@pytest.fixture
def a_store(kit):
    return kit.store


@pytest.fixture(params=["file", "folders", "s3", "swift", REAL_SWIFT, REAL_CEPH, "http", "http_whole"])
def reading_kit(request):
    """Give a store that may take none, and a way to have bytes in it."""
    return request.getfixturevalue(f"{request.param}_kit")


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


def test_bytes_come_back_whole_and_in_part(reading_kit):
    a_store, location = reading_kit.store, reading_kit.put(b"0123456789")

    assert a_store.size(location) == 10
    assert read(a_store, location, 0, 10) == b"0123456789"
    assert read(a_store, location, 3, 4) == b"3456"
    assert read(a_store, location, 9, 5) == b"9"


def test_a_reader_gives_no_more_than_its_part_in_any_pieces(reading_kit):
    opened = reading_kit.store.open(reading_kit.put(b"0123456789"), 2, 5)

    assert [opened.read(3), opened.read(3), opened.read(3)] == [b"234", b"56", b""]
    opened.close()
    opened.close()


def test_an_empty_image_is_one(reading_kit):
    location = reading_kit.put(b"")

    assert reading_kit.store.size(location) == 0
    assert read(reading_kit.store, location, 0, 0) == b""


def test_what_is_not_there_is_not_found(reading_kit):
    for ask in (
        lambda: reading_kit.store.open(reading_kit.absent(), 0, 1),
        lambda: reading_kit.store.size(reading_kit.absent()),
    ):
        with pytest.raises(errors.NotFound):
            ask()


def test_larger_data_come_back_from_any_offset(reading_kit):
    data = os.urandom(300_000)
    location = reading_kit.put(data)

    for start, length in ((0, 300_000), (1, 299_999), (150_000, 70_000), (299_999, 1)):
        assert read(reading_kit.store, location, start, length) == data[start : start + length]


def test_a_store_that_is_away_is_unavailable_and_its_bytes_are_not_said_to_be_gone(reading_kit):
    location = reading_kit.put(b"data")
    reading_kit.go_away()

    for ask in (lambda: reading_kit.store.open(location, 0, 1), lambda: reading_kit.store.size(location)):
        with pytest.raises(errors.Unavailable):
            ask()


def test_a_store_that_is_away_takes_nothing_and_says_so(kit):
    kit.go_away()

    for ask in (lambda: kit.store.begin(new_key(), None), lambda: kit.store.delete(f"{kit.store.name}:{new_key()}")):
        with pytest.raises(errors.Unavailable):
            ask()


def test_a_read_only_store_takes_nothing_and_leaves_what_it_refers_to(http_kit):
    location = http_kit.put(b"data")

    with pytest.raises(errors.Forbidden):
        http_kit.store.begin(new_key(), None)
    http_kit.store.delete(location)

    assert read(http_kit.store, location, 0, 4) == b"data"
    assert (http_kit.store.list_strays(set()), http_kit.store.remove_stray("x", set())) == ([], False)


def test_nothing_is_visible_before_finalize_and_nothing_left_after_close(kit):
    a_store = kit.store
    key = new_key()
    writing = a_store.begin(key, None)
    writing.append(b"half")

    with pytest.raises(errors.NotFound):
        a_store.open(f"{a_store.name}:{key}", 0, 4)
    writing.close()
    writing.close()

    assert kit.everything() == []
    with pytest.raises(ValueError):
        writing.append(b"more")


def test_delete_frees_the_space_may_be_repeated_and_lets_readers_finish(kit):
    a_store = kit.store
    location = put(a_store, b"0123456789")
    opened = a_store.open(location, 0, 10)

    a_store.delete(location)
    a_store.delete(location)

    assert opened.read() == b"0123456789"
    opened.close()
    for ask in (lambda: a_store.open(location, 0, 1), lambda: a_store.size(location)):
        with pytest.raises(errors.NotFound):
            ask()
    assert kit.everything() == []


@pytest.mark.parametrize("location", ["", "{name}:", "{name}:../../etc/passwd", "other:x", "{name}:/etc/passwd"])
def test_locations_that_are_none_lead_nowhere(reading_kit, location):
    with pytest.raises(errors.NotFound):
        reading_kit.store.open(location.format(name=reading_kit.store.name), 0, 1)


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
def test_what_a_killed_process_left_is_told_from_what_lives_and_removed(kit, how, alive_after, left):
    store, key = kit.store, new_key()
    process = subprocess.Popen([sys.executable, "-c", HOLD, kit.url, key, how], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"holding\n"
        alive = store.is_alive(key)
        before = store.sweep(set())
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()

    store.sweep(set())

    assert alive
    assert (before.leftovers, before.orphans) == (0, 0)
    assert store.is_alive(key) is alive_after
    assert len(kit.everything()) == left  # finished bytes without a name in the records are removed only when they are old


def test_strays_are_named_and_removed_one_by_one(kit):
    kit.make_all_old()
    known, unknown = put(kit.store, b"known"), put(kit.store, b"unknown")

    names = kit.store.list_strays({known})
    removed = [kit.store.remove_stray(name, {known}) for name in (*names, *names, "kept/x")]

    assert len(names) == 1
    assert removed == [True, False, False]
    assert kit.store.size(known) == 5
    with pytest.raises(errors.NotFound):
        kit.store.size(unknown)


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
