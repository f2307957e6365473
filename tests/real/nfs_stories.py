"""What NFS does otherwise than a disk, on a real one: two machines use one folder. Runs in the guest of nfs_guest.py only."""

from __future__ import annotations

import contextlib
import os
import time

import pytest
from real import nfs_inside
from unit.image.stores.whole import new_key, put, read

from nova_lite import errors
from nova_lite.image.stores import filesystem
from nova_lite.image.stores.filesystem import FilesystemStore

MIB = 1 << 20
WITHIN_S = 60.0


def soon(is_so):
    until = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.5)


@pytest.fixture
def folder(tmp_path):
    """Give the name of the test's folder, below where each has it."""
    return tmp_path.relative_to(nfs_inside.CLIENTS["one"])


@pytest.fixture
def one(folder):
    """Give the store as one machine has it."""
    return FilesystemStore(nfs_inside.CLIENTS["one"] / folder)


@pytest.fixture
def two(folder, one):
    """Give the same store as another machine has it, which knows the folders already."""
    store = FilesystemStore(nfs_inside.CLIENTS["two"] / folder)
    one.begin(new_key(), None).close()
    store.sweep(set())
    return store


@pytest.fixture
def files(folder):
    """Give the folder as the server has it."""
    return nfs_inside.EXPORTED / folder


def test_an_upload_is_seen_alive_by_another_machine_even_one_that_had_looked_before(one, two):
    key = new_key()
    seen = [two.is_alive(key)]
    writing = one.begin(key, None)
    writing.append(b"half")

    seen.append(two.is_alive(key))
    swept = two.sweep(set())
    location = writing.finalize()
    seen.append(two.is_alive(key))
    writing.close()
    seen.append(two.is_alive(key))

    assert seen == [False, True, True, False]
    assert (swept.leftovers, swept.orphans) == (0, 0)
    assert read(two, location, 4) == b"half"


def test_what_is_finished_is_there_for_a_machine_that_had_missed_it(one, two):
    key = new_key()
    with pytest.raises(errors.NotFound):
        two.size(f"file:{key}")

    location = put(one, b"data", 4, key)

    assert two.size(location) == 4
    assert read(two, location, 4) == b"data"


def test_what_a_machine_had_missed_it_deletes(one, two, files):
    key = new_key()
    with pytest.raises(errors.NotFound):
        two.size(f"file:{key}")
    location = put(one, b"data", 4, key)

    two.delete(location)

    assert list((files / "kept").iterdir()) == []
    with pytest.raises(errors.NotFound):
        one.open(location, 0, 4)


def gone(store, location):
    try:
        store.open(location, 0, 1).close()
    except errors.NotFound:
        return True
    return False


def test_what_is_deleted_is_gone_soon_for_a_machine_that_had_read_it(one, two):
    location = put(one, b"data", 4)
    assert read(two, location, 4) == b"data"

    one.delete(location)

    soon(lambda: gone(two, location))  # its client may lead to the old file for as long as it remembers the name


def test_a_reader_finishes_while_another_machine_deletes(one, two):
    data = os.urandom(8 * MIB)
    location = put(one, data, len(data))
    opened = two.open(location, 0, len(data))
    first = opened.read(MIB)

    one.delete(location)
    rest = bytearray()
    while more := opened.read(MIB):
        rest += more
    opened.close()

    assert first + rest == data


def test_a_half_upload_goes_on_at_another_machine_but_not_at_two_at_a_time(one, two):
    key = new_key()
    assert two.take_up(key, None, fresh=False) is None
    half = one.take_up(key, None, fresh=True)
    half.append(b"first ")

    with pytest.raises(errors.Conflict):
        two.take_up(key, None, fresh=False)
    half.suspend()
    half = two.take_up(key, None, fresh=False)
    size = half.size
    half.append(b"second")
    location = half.finalize()
    half.close()

    assert size == 6
    assert read(one, location, 12) == b"first second"
    assert one.take_up(key, None, fresh=False) is None


def test_a_half_upload_that_another_machine_drops_is_dropped(one, two, files):
    key = new_key()
    two.drop_parts(key)
    one.take_up(key, None, fresh=True).suspend()

    two.drop_parts(key)

    assert list((files / "partial").iterdir()) == []
    assert one.take_up(key, None, fresh=False) is None


@pytest.mark.parametrize("how", ["finalize", "drop"])
def test_a_half_upload_that_ends_at_another_machine_while_it_is_opened_is_not_taken_up(one, two, monkeypatch, how):
    key, lock = new_key(), filesystem.fcntl.flock
    half = one.take_up(key, None, fresh=True)
    half.append(b"data")

    def late(*arguments):
        monkeypatch.setattr(filesystem.fcntl, "flock", lock)
        if how == "finalize":
            half.finalize()
        half.close()
        lock(*arguments)

    monkeypatch.setattr(filesystem.fcntl, "flock", late)

    assert two.take_up(key, None, fresh=False) is None


def test_a_server_that_starts_anew_delays_an_upload_and_its_lock_holds(one, two):
    key, data = new_key(), os.urandom(3 * MIB)
    location = put(one, b"before", 6)
    writing = one.begin(key, None)
    writing.append(data[:MIB])
    opened = two.open(location, 0, 6)

    restart = nfs_inside.restart_server(pause_s=3.0)
    writing.append(data[MIB:])
    alive = two.is_alive(key)
    swept = two.sweep({location})
    finished = writing.finalize()
    writing.close()
    assert restart.wait(WITHIN_S) == 0

    assert alive
    assert swept.leftovers == 0
    assert read(two, finished, len(data)) == data
    assert opened.read() == b"before"
    opened.close()
    assert not two.is_alive(key)


def test_a_folder_that_is_exported_no_more_is_unavailable_until_it_is_again(one, two):
    location = put(one, b"data", 4)
    assert two.size(location) == 4
    writing = one.begin(new_key(), None)

    nfs_inside.unexport()
    try:
        for ask in (lambda: two.open(location, 0, 4), lambda: two.begin(new_key(), None), lambda: two.sweep(set())):
            with pytest.raises(errors.Unavailable):
                ask()
        with pytest.raises(errors.Unavailable):
            writing.append(b"data")
            writing.finalize()
    finally:
        nfs_inside.export()
    writing.close()

    assert read(two, location, 4) == b"data"
    assert read(one, put(two, b"more", 4), 4) == b"more"


@pytest.fixture
def nearly_full(files):
    """Leave a few MiB at the server."""
    filler = nfs_inside.EXPORTED / "filler"
    found = os.statvfs(nfs_inside.EXPORTED)
    try:
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - 4 * MIB)
        yield
    finally:
        filler.unlink()


@pytest.mark.parametrize("end", ["finalize", "suspend", "close"])
def test_what_the_servers_disk_has_no_room_for_is_told_at_the_end_and_nothing_stays(two, folder, nearly_full, end):
    """The client keeps what is written in memory until then."""
    store = FilesystemStore(nfs_inside.CLIENTS["two"] / folder, lambda _root: 1 << 40)
    key = new_key()
    writing = store.take_up(key, None, fresh=True) if end == "suspend" else store.begin(key, None)

    with contextlib.nullcontext() if end == "close" else pytest.raises(errors.InsufficientStorage):
        writing.append(bytes(8 * MIB))
        getattr(writing, end)()
    writing.close()
    store.drop_parts(key)

    assert not store.is_alive(key)
    assert store.sweep(set()).leftovers == 0
    assert [path for path in (nfs_inside.EXPORTED / folder).rglob("*") if path.is_file()] == []


def test_a_file_that_was_replaced_at_the_server_is_looked_up_anew(one, two, files):
    location = put(one, b"old data", 8)
    assert read(two, location, 8) == b"old data"
    [path] = (files / "kept").iterdir()
    (files / "kept/new").write_bytes(b"new data")
    (files / "kept/new").rename(path)

    for store in (one, two):
        soon(lambda store=store: read(store, location, 8) == b"new data")


def test_a_reader_of_a_file_that_a_server_lost_is_told(one, two, files):
    data = os.urandom(8 * MIB)
    opened = two.open(put(one, data, len(data)), 0, len(data))
    assert opened.read(MIB) == data[:MIB]
    [path] = (files / "kept").iterdir()

    nfs_inside.stop_server()
    path.unlink()
    nfs_inside.start_server()

    with pytest.raises(errors.Unavailable):
        for _ in range(8):
            assert opened.read(MIB)
    opened.close()


def test_a_machine_that_was_cut_off_loses_its_locks_and_finishes_nothing(one, two, files):
    """The server lets another machine have a lock only when the lease is over, and then tells the first one."""
    whole, half = two.begin(new_key(), None), two.take_up(new_key(), None, fresh=True)
    for writing in (whole, half):
        writing.append(b"data")
        os.fsync(writing._open())
    keys = [writing._incoming.name for writing in (whole, half)]

    nfs_inside.cut_off("two", True)
    try:
        soon(lambda: not any([one.is_alive(key) for key in keys]))
        swept = one.sweep(set())
        taken = one.take_up(keys[1], None, fresh=False)
        taken.append(b" and more")
    finally:
        nfs_inside.cut_off("two", False)

    assert swept.leftovers == 1
    for writing in (whole, half):
        with pytest.raises(errors.Unavailable):
            writing.finalize()
        (writing.close if writing is whole else writing.suspend)()
    finished = taken.finalize()
    taken.close()
    assert read(two, finished, 13) == b"data and more"
    assert list((files / "incoming").iterdir()) == list((files / "partial").iterdir()) == []
