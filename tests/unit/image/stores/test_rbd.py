"""What the store of Ceph does with errors, time limits and the dead, without a Ceph; tests/real/test_rbd.py has one."""

from __future__ import annotations

import errno
import inspect
import logging
import time
from pathlib import Path

import orjson
import pytest
from unit.image.stores.rbd_fake import FakeCeph, FakeCluster, FakeImage
from unit.image.stores.whole import new_key

from nova_lite import errors
from nova_lite.image.stores import ceph as library
from nova_lite.image.stores import rbd, writers
from nova_lite.image.stores.base import LendingStore, PartStore
from nova_lite.image.stores.ceph import Place
from nova_lite.image.stores.registry import make_store

PIECE = rbd.PIECE


@pytest.fixture
def pool():
    return FakeCeph()


@pytest.fixture
def store(pool):
    return rbd.RbdStore(Place(pool="images"), name="ceph", connect=pool.connect)


@pytest.fixture
def other(pool):
    """Give the store as another machine's daemon has it."""
    return rbd.RbdStore(Place(pool="images"), name="ceph", connect=pool.connect)


@pytest.fixture
def writing(store):
    return store.begin(new_key(), None)


def put(store, data):
    writing = store.begin(new_key(), len(data))
    writing.append(data)
    location = writing.finalize()
    writing.close()
    return location


@pytest.mark.parametrize(("fake", "real"), [(FakeCluster, library.Cluster), (FakeImage, library.RbdImage)])
def test_the_pool_in_memory_is_called_as_the_library_is(fake, real):
    def calls(kind):
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(call).parameters) for name, call in found if not name.startswith("_")}

    assert calls(fake) == calls(real)


# -- the URL ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_library(monkeypatch):
    monkeypatch.setattr(library, "library", dict)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("rbd://images", Place(pool="images")),
        (
            "x=rbd://cloud.images?user=glance&conf=/a/b.conf&keyring=/a/key",
            Place(pool="cloud.images", user="glance", config=Path("/a/b.conf"), keyring=Path("/a/key")),
        ),
    ],
)
def test_a_pool_is_named_by_a_url(with_library, url, place):
    store = make_store(url)

    assert store._place == place
    assert store.name == ("x" if "=rbd" in url else "rbd")
    assert isinstance(store, LendingStore)
    assert not isinstance(store, PartStore)


@pytest.mark.parametrize(
    "url",
    [
        "rbd://",
        "rbd:images",
        "rbd://pool/image",
        "rbd://user:key@pool",
        "rbd://pool?keyring=here",
        "rbd://pool?conf=here",
        "rbd://pool?key=AQB",
        "rbd://pool?user=a b",
        "rbd://-pool",
    ],
)
def test_pools_that_make_no_sense_are_refused_at_the_start(with_library, url):
    with pytest.raises(errors.ConfigError, match=r"\[image\] store"):
        make_store(url)


@pytest.mark.parametrize("missing", [OSError("no such library"), AttributeError("too old")])
def test_a_machine_without_the_library_is_told_what_to_install(monkeypatch, missing):
    def load():
        raise missing

    monkeypatch.setattr(library, "library", load)

    with pytest.raises(errors.ConfigError, match="librbd1"):
        make_store("rbd://images")


# -- connecting ---------------------------------------------------------------------------------------------------------------


def test_nothing_connects_before_it_must_and_then_once(store, pool):
    before = pool.clients

    put(store, b"data")
    store.sweep(set())

    assert (before, pool.clients) == (0, 1)


def test_each_process_has_a_connection_of_its_own(store, pool, monkeypatch):
    store.is_alive(new_key())
    monkeypatch.setattr(rbd.os, "getpid", lambda: 1)

    store.is_alive(new_key())

    assert pool.clients == 2


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ETIMEDOUT, errno.EACCES, errno.EPERM])
def test_a_pool_that_cannot_be_reached_is_an_outage_that_is_not_waited_for_by_each(store, pool, monkeypatch, number):
    pool.fail("connect", number)

    for ask in (lambda: store.size(f"ceph:{new_key()}"), lambda: store.begin(new_key(), 1), lambda: store.sweep(set())):
        with pytest.raises(errors.Unavailable):
            ask()
    tried = pool.calls.count("connect")
    pool.fail("connect", 0, times=0)
    monkeypatch.setattr(store, "_away_until", time.monotonic())

    assert tried == 1
    assert store.sweep(set()).leftovers == 0


def test_a_client_that_was_blocked_comes_back_as_another(store, pool):
    location = put(store, b"data")
    pool.fail("open", errno.ESHUTDOWN, times=1)

    with pytest.raises(errors.Unavailable):
        store.size(location)

    assert store.size(location) == 4
    assert pool.clients == 2


@pytest.mark.parametrize(
    ("mode", "said"), [(0o644, "may be read by others"), (0o604, "may be read by others"), (None, "ENOENT")]
)
def test_a_keyring_that_is_wrong_is_named_and_not_quoted(pool, tmp_path, caplog, mode, said):
    keyring = tmp_path / "keyring"
    if mode is not None:
        keyring.write_text("key = not-to-be-told\n")
        keyring.chmod(mode)
    store = rbd.RbdStore(Place(pool="images", keyring=keyring), connect=pool.connect)

    with pytest.raises(errors.Unavailable) as caught:
        store.sweep(set())

    assert pool.clients == 0
    assert str(keyring) in caplog.text
    assert said in caplog.text
    assert "not-to-be-told" not in caplog.text + repr(caught.value)


def test_a_keyring_of_a_group_is_taken(pool, tmp_path):
    keyring = tmp_path / "keyring"
    keyring.touch(mode=0o600)
    keyring.chmod(0o640)

    rbd.RbdStore(Place(pool="images", keyring=keyring), connect=pool.connect).sweep(set())

    assert pool.clients == 1


# -- errors -------------------------------------------------------------------------------------------------------------------

KINDS = [
    (errno.ETIMEDOUT, errors.Unavailable),
    (errno.EIO, errors.Unavailable),
    (errno.EROFS, errors.Unavailable),
    (errno.EPERM, errors.Unavailable),
    (errno.ENOSPC, errors.InsufficientStorage),
    (errno.EDQUOT, errors.InsufficientStorage),
]


@pytest.mark.parametrize("call", ["lease", "set_note", "create", "open", "resize", "write", "flush", "snap", "protect"])
@pytest.mark.parametrize(("number", "kind"), KINDS)
def test_an_upload_that_fails_anywhere_shows_nothing(store, pool, call, number, kind):
    pool.fail(call, number, times=1)
    key = new_key()

    with pytest.raises(kind):
        writing = store.begin(key, None)
        try:
            writing.append(bytes(10) + b"data")
            writing.finalize()
        finally:
            writing.close()

    with pytest.raises(errors.NotFound):
        store.size(f"ceph:{key}")
    if kind is errors.InsufficientStorage:
        assert (pool.images, pool.attributes, pool.leases) == ({}, {}, set())


def test_the_errors_name_is_logged_and_no_more(store, pool, caplog):
    caplog.set_level(logging.DEBUG, logger="nova_lite")
    pool.fail("names", errno.ETIMEDOUT)

    with pytest.raises(errors.Unavailable) as caught:
        store.list_strays(set())

    assert "Ceph answers ETIMEDOUT." in caplog.text
    assert caught.value.__suppress_context__


def test_where_ceph_hangs_an_upload_ends_without_another_wait(store, writing, pool):
    pool.fail("write", errno.ETIMEDOUT)
    with pytest.raises(errors.Unavailable):
        writing.append(b"x" * PIECE)
    before = [call for call in pool.calls if call != "close"]

    writing.close()
    writing.close()

    assert [call for call in pool.calls if call != "close"] == before
    assert store.is_alive(writing._key)  # until its lease ends: nobody may take the rest away while Ceph may still write it


def test_where_ceph_hangs_a_reader_ends_without_another_wait(store, pool):
    opened = store.open(put(store, b"data"), 0, 4)
    pool.fail("read", errno.ETIMEDOUT)
    with pytest.raises(errors.Unavailable):
        opened.read()
    before = [call for call in pool.calls if call != "close"]

    opened.close()

    assert [call for call in pool.calls if call != "close"] == before


@pytest.mark.parametrize("ask", ["open", "size", "require_unused", "delete"])
def test_bytes_that_cannot_be_looked_at_are_not_said_to_be_gone(store, pool, ask):
    location = put(store, b"data")
    pool.fail("open", errno.ETIMEDOUT)

    with pytest.raises(errors.Unavailable):
        getattr(store, ask)(location, *((0, 1) if ask == "open" else ()))


def test_an_image_that_ends_early_is_unavailable_not_the_end(store, pool):
    location = put(store, b"0123456789")
    opened = store.open(location, 0, 10)
    del pool.images[location.partition(":")[2]]["data"][4:]

    with pytest.raises(errors.Unavailable):
        opened.read()
    opened.close()


# -- bytes --------------------------------------------------------------------------------------------------------------------


def test_bytes_are_written_by_whole_objects_and_zeros_not_at_all(store, writing, pool):
    for data in (b"a" * (PIECE - 1), b"ab", bytes(PIECE - 1), bytes(PIECE), b"c"):
        writing.append(data)
    location = writing.finalize()
    writing.close()

    state = pool.images[location.partition(":")[2]]
    assert state["writes"] == [(0, PIECE), (PIECE, PIECE), (3 * PIECE, 1)]
    assert store.size(location) == 3 * PIECE + 1
    assert store.open(location, 3 * PIECE - 1, 5).read() == b"\0c"


@pytest.mark.parametrize(("expected", "sizes"), [(None, 2), (PIECE, 1), (2 * PIECE, 0)])
def test_an_image_grows_where_its_size_is_not_known(store, pool, expected, sizes):
    writing = store.begin(new_key(), expected)
    writing.append(b"x" * 2 * PIECE)
    location = writing.finalize()
    writing.close()

    grown = pool.calls.count("resize")
    assert store.size(location) == 2 * PIECE
    assert grown == sizes + (expected == PIECE)


@pytest.mark.parametrize(("free", "expected", "fits"), [
    (100, 100, True), (100, 101, False), (0, None, False), (-5, None, False), (1, None, True), (None, 1 << 50, True),
])  # fmt: skip
def test_what_cannot_fit_is_refused_before_it_is_sent(store, pool, free, expected, fits):
    pool.free = free

    if fits:
        store.begin(new_key(), expected and min(expected, 1000)).close()
    else:
        with pytest.raises(errors.InsufficientStorage):
            store.begin(new_key(), expected)
    assert (pool.images, pool.attributes, pool.leases) == ({}, {}, set())


@pytest.mark.parametrize(("stats", "free"), [
    ({"max_avail": 100}, 100),
    ({"max_avail": 100, "quota_bytes": 0, "stored": 5}, 100),
    ({"max_avail": 100, "quota_bytes": 50, "stored": 20}, 30),
    ({"max_avail": 10, "quota_bytes": 50, "stored": 20}, 10),
    ({"max_avail": 0, "quota_bytes": 50, "stored": 60}, -10),
    ({"max_avail": 0}, None),
])  # fmt: skip
def test_what_is_free_is_the_least_of_estimate_and_quota(stats, free):
    assert library._free_of(stats) == free


# -- clones -------------------------------------------------------------------------------------------------------------------


def test_what_was_cloned_is_in_use_and_stays(store, pool):
    location = put(store, b"data")
    pool.images[location.partition(":")[2]]["clones"] = True

    for refused in (store.require_unused, store.delete):
        with pytest.raises(errors.Conflict, match="in use"):
            refused(location)
    assert store.size(location) == 4


def test_what_is_cloned_at_that_very_moment_is_in_use_too(store, pool):
    location = put(store, b"data")
    pool.fail("unprotect", errno.EBUSY, times=1)

    with pytest.raises(errors.Conflict, match="in use"):
        store.delete(location)

    assert store.size(location) == 4
    store.delete(location)
    assert pool.images == {}


@pytest.mark.parametrize(("call", "number", "left"), [
    ("unprotect", errno.EINVAL, 0), ("has_clones", errno.ENOENT, 1), ("remove", errno.EBUSY, 1), ("remove", errno.ENOTEMPTY, 1),
    ("remove", errno.ENOENT, 1),
])  # fmt: skip
def test_two_who_delete_at_once_do_not_hurt_each_other(store, pool, call, number, left):
    location = put(store, b"data")
    pool.fail(call, number, times=1)

    store.delete(location)

    assert len(pool.images) == left


def test_the_url_to_clone_by_names_the_snapshot(store):
    key = new_key()

    assert store.url_of(f"ceph:{key}") == f"rbd://f51d/images/{key}/snap"
    with pytest.raises(errors.NotFound):
        store.url_of("other:x")


# -- readers ------------------------------------------------------------------------------------------------------------------


def test_the_last_reader_removes_what_was_deleted(store, other, pool):
    location = put(store, b"data")
    readers = [store.open(location, 0, 4), other.open(location, 0, 4)]

    store.delete(location)
    left = []
    for reader in readers:
        assert reader.read() == b"data"
        reader.close()
        left.append(len(pool.images))

    assert left == [1, 0]


def test_a_reader_that_ends_while_ceph_is_away_leaves_the_rest_to_a_sweep(store, pool, monkeypatch):
    monkeypatch.setattr(rbd, "ORPHAN_AGE_S", 0.0)
    location = put(store, b"data")
    reader = store.open(location, 0, 4)
    store.delete(location)
    pool.fail("open", errno.ETIMEDOUT, times=1)

    reader.close()

    assert len(pool.images) == 1
    assert store.sweep(set()).leftovers == 1
    assert pool.images == {}


# -- the dead -----------------------------------------------------------------------------------------------------------------


def note_of(pool, key, **changes):
    pool.attributes[key] = orjson.dumps({**writers.this_process(), "client": "192.0.2.9:0/9", **changes})


@pytest.mark.parametrize(
    ("noted", "leased", "changes", "alive"),
    [
        (True, True, {}, True),
        (True, False, {}, False),  # a lease that ended is not taken up again, even by who is there
        (True, True, {"pid": 2**22 + 1}, False),
        (True, True, {"start": "1"}, False),  # another process has the number now
        (True, True, {"boot": "another machine's"}, True),
        (True, False, {"boot": "another machine's"}, False),
        (False, True, {}, True),  # the note comes right after the lease
        (False, False, {}, False),
    ],
)
def test_a_writer_lives_while_it_has_its_lease_and_is_not_known_to_be_gone(store, pool, noted, leased, changes, alive):
    key = new_key()
    if noted:
        note_of(pool, key, **changes)
    if leased:
        pool.leases.add((rbd.UPLOADS, key))

    assert store.is_alive(key) is alive


def test_a_note_that_says_nothing_lives_by_its_lease_alone(store, pool):
    key = new_key()
    pool.attributes[key] = b"\xff not json"
    pool.leases.add((rbd.UPLOADS, key))
    leased = store.is_alive(key)
    pool.leases.clear()

    assert leased
    assert not store.is_alive(key)
    assert store.sweep(set()).leftovers == 1
    assert (pool.attributes, pool.leases, pool.blocked) == ({}, set(), [])


def test_a_dead_writer_is_shut_out_before_its_rest_is_removed(store, other, pool):
    writing = other.begin(new_key(), None)
    writing.append(b"x" * PIECE)
    note_of(pool, writing._key, pid=2**22 + 1)
    pool.images[writing._key]["open"] = 0  # Ceph forgets who is shut out
    pool.calls.clear()

    swept = store.sweep(set())

    assert swept.leftovers == 1
    assert pool.blocked == ["192.0.2.9:0/9"]
    assert pool.calls.index("block") < pool.calls.index("remove")
    assert (pool.images, pool.attributes, pool.leases) == ({}, {}, set())


def test_nobody_shuts_itself_out(store, writing, pool):
    pool.leases.clear()
    pool.images[writing._key]["open"] = 0

    assert store.sweep(set()).leftovers == 1
    assert pool.blocked == []


def test_a_writer_without_its_lease_goes_on_with_nothing(store, writing, pool, monkeypatch):
    monkeypatch.setattr(rbd, "RENEW_S", -1.0)
    pool.leases.clear()

    with pytest.raises(errors.Unavailable):
        writing.append(b"x")
    with pytest.raises(errors.Unavailable):
        writing.finalize()
    writing.close()

    assert (pool.images, pool.attributes) == ({}, {})


def test_a_lease_is_held_on_while_bytes_come(store, writing, pool, monkeypatch):
    before = pool.calls.count("lease")
    writing.append(b"x")
    soon = pool.calls.count("lease")
    monkeypatch.setattr(rbd, "RENEW_S", -1.0)
    writing.append(b"x")

    assert (soon - before, pool.calls.count("lease") - soon) == (0, 1)
    writing.close()


def test_a_finished_image_is_young_at_first_and_a_note_that_stayed_is_removed_alone(store, pool):
    writing = store.begin(new_key(), None)
    location = writing.finalize()
    note_of(pool, writing._key, pid=2**22 + 1)  # killed before it closed

    young = store.list_strays(set())
    kept = store.sweep({location})
    notes = dict(pool.attributes)
    pool.leases.clear()
    pool.images[writing._key]["open"] = 0
    swept = store.sweep(set())

    assert (young, kept.leftovers, kept.orphans, notes) == ([], 0, 0, {})
    assert swept.orphans == 1
    assert pool.images == {}


def test_images_of_others_in_the_pool_are_left_alone(store, pool):
    store.cluster().create("volume-1", 5)
    pool.attributes["somebody's"] = b"x"

    assert store.list_strays(set()) == []
    assert (store.remove_stray("kept/volume-1", set()), store.remove_stray("incoming/volume-1", set())) == (False, False)
    assert list(pool.images) == ["volume-1"]


def test_an_upload_that_begins_while_a_sweep_looks_is_alive(store, other, pool, monkeypatch):
    begun, cluster = [], store.cluster()
    for name in ("names", "notes"):
        real = getattr(cluster, name)
        monkeypatch.setattr(cluster, name, lambda *of, real=real: (begun.append(other.begin(new_key(), None)), real(*of))[1])

    assert store.list_strays(set()) == []
    assert store.sweep(set()).leftovers == 0
    assert (len(begun) >= 4, pool.blocked) == (True, [])
    assert all(other.is_alive(writing._key) for writing in begun)


def test_an_upload_that_lives_when_its_rest_is_to_be_removed_stays(store, other, pool):
    writing = other.begin(new_key(), None)

    assert not store._remove_stray(f"incoming/{writing._key}")

    assert (pool.blocked, list(pool.images)) == ([], [writing._key])


def test_a_client_that_writes_another_image_is_not_shut_out_for_one_that_hung(store, other, pool):
    hung = other.begin(new_key(), None)
    pool.fail("write", errno.ETIMEDOUT, times=1)
    with pytest.raises(errors.Unavailable):
        hung.append(b"x" * PIECE)
    hung.close()
    pool.leases.discard((rbd.UPLOADS, hung._key))
    living = other.begin(new_key(), None)
    pool.images[hung._key]["open"] = 0

    during = store.sweep(set()).leftovers, list(pool.blocked), other.is_alive(living._key)
    living.close()
    after = store.sweep(set()).leftovers, list(pool.blocked)

    assert during == (0, [], True)
    assert after == (1, [other.cluster().address])
    assert (pool.images, pool.attributes) == ({}, {})


def test_a_connection_that_was_made_anew_is_not_dropped_for_the_old_one(store, pool):
    location = put(store, b"data")
    reading, writing = store.open(location, 0, 4), store.begin(new_key(), None)
    for call in ("read", "write", "size"):
        pool.fail(call, errno.ESHUTDOWN, times=1)

    with pytest.raises(errors.Unavailable):
        store.size(location)
    store.cluster()
    with pytest.raises(errors.Unavailable):
        reading.read()
    with pytest.raises(errors.Unavailable):
        writing.append(b"x" * PIECE)
    store.cluster()

    assert pool.clients == 2


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES])
def test_a_clone_in_a_pool_that_may_not_be_read_is_one(monkeypatch, number):
    called = []

    def call(name, *arguments):
        called.append((name, arguments[-1]))
        if name == "rbd_list_children3":
            raise OSError(number, "not yours")
        return 0

    monkeypatch.setattr(library, "call", call)

    assert library.RbdImage(library.c_void_p(1)).has_clones("snap") is True
    assert called[-1] == ("rbd_snap_set", None)


def test_clones_that_cannot_be_asked_for_are_an_outage(monkeypatch):
    def call(name, *arguments):
        if name == "rbd_list_children3":
            raise OSError(errno.ETIMEDOUT, "late")
        return 0

    monkeypatch.setattr(library, "call", call)

    with pytest.raises(OSError, match="late"):
        library.RbdImage(library.c_void_p(1)).has_clones("snap")
