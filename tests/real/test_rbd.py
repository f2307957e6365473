"""What the store of Ceph does beyond the contract, on a real cluster: clones, full pools, daemons that hang, writers held for dead."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import subprocess
import sys
import time

import falcon.testing
import pytest
from real.ceph import POOL
from unit.image.stores.whole import new_key

from nova_lite import errors
from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.conf.image import ImageOptions
from nova_lite.context import Context
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.identity.policy import Policy
from nova_lite.image.service import make_images
from nova_lite.image.stores import ceph as library
from nova_lite.image.stores import rbd, writers
from nova_lite.image.stores.registry import make_store
from nova_lite.workflows.desk import Desk

pytestmark = [pytest.mark.ceph, pytest.mark.timeout(300)]

MIB = 1 << 20
UPLOAD = """
import os, sys, time
from nova_lite.image.stores.registry import make_store
writing = make_store(sys.argv[1]).begin(sys.argv[2], None)
for number in range(1000):
    writing.append(os.urandom(1 << 20))
    if number == 20:
        print("under way", flush=True)
    if number > 20:
        time.sleep(0.2)
"""
FORKED = """
import os, sys
from nova_lite.image.stores.registry import make_store
store = make_store(sys.argv[1])
def read():
    opened = store.open(sys.argv[2], 0, 4)
    data = opened.read()
    opened.close()
    return data
assert read() == b"data"
child = os.fork()
if child == 0:
    os._exit(0 if read() == b"data" and store.list_strays({sys.argv[2]}) == [] else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), read().decode())
"""


@pytest.fixture
def store(ceph):
    """Give the store; nothing of a test is there in the next one."""
    made = make_store(ceph.url())
    yield made
    made = make_store(ceph.url())
    notes = (name.removeprefix("lock.") for name in made.cluster().notes(rbd.UPLOADS))
    for key in {*made.cluster().names(), *notes}:
        made.wipe(f"incoming/{key}")


@pytest.fixture
def impatient(monkeypatch):
    """Wait for Ceph for two seconds only."""
    for option in library.PATIENCE:
        monkeypatch.setitem(library.PATIENCE, option, "2")


def left_in(ceph):
    return [name for name in ceph.objects() if name != rbd.UPLOADS]


def put(store, data):
    writing = store.begin(new_key(), len(data))
    writing.append(data)
    location = writing.finalize()
    writing.close()
    return location


def read(store, location, start, length):
    with contextlib.closing(store.open(location, start, length)) as opened:
        return opened.read()


def test_a_large_image_comes_back_from_any_offset(store, ceph):
    data = os.urandom(9 * MIB) + bytes(16 * MIB) + os.urandom(MIB + 17)
    writing = store.begin(new_key(), None)
    for at in range(0, len(data), 300_000):
        writing.append(data[at : at + 300_000])
    location = writing.finalize()
    writing.close()

    assert store.size(location) == len(data)
    assert read(store, location, 0, len(data)) == data
    assert read(store, location, 8 * MIB - 5, 10) == data[8 * MIB - 5 : 8 * MIB + 5]
    written = [name for name in ceph.objects() if name.startswith("rbd_data.")]
    assert len(written) == 3  # of four: the third is all zero


@pytest.mark.parametrize("clone_format", [1, 2])
def test_others_clone_an_image_and_hold_its_deletion_up(store, ceph, clone_format):
    location = put(store, b"golden" * 1000)
    scheme, cluster, pool, image, snapshot = store.url_of(location).replace("//", "", 1).replace(":", "/", 1).split("/")
    as_v2 = ("--rbd-default-clone-format", str(clone_format))
    if clone_format == 2:
        ceph.ceph("osd", "set-require-min-compat-client", "mimic")
    ceph.run_rbd("clone", *as_v2, f"{pool}/{image}@{snapshot}", f"{pool}/volume")

    try:
        assert (scheme, pool, snapshot) == ("rbd", POOL, "snap")
        assert cluster in ceph.config.read_text()
        for refused in (store.require_unused, store.delete):
            with pytest.raises(errors.Conflict, match="in use"):
                refused(location)
        assert read(store, location, 0, 6) == b"golden"
        assert store.list_strays({location}) == []
    finally:
        ceph.run_rbd("rm", "--no-progress", f"{pool}/volume")

    store.require_unused(location)
    store.delete(location)
    assert left_in(ceph) == []


def test_a_stray_that_was_cloned_stays(store, ceph, monkeypatch):
    monkeypatch.setattr(rbd, "ORPHAN_AGE_S", 0.0)
    location = put(store, b"golden")
    image = location.partition(":")[2]
    ceph.run_rbd("clone", f"{POOL}/{image}@snap", f"{POOL}/volume")

    try:
        [name] = store.list_strays(set())
        assert not store.remove_stray(name, set())
        assert store.size(location) == 6
    finally:
        ceph.run_rbd("rm", "--no-progress", f"{POOL}/volume")
    assert store.sweep(set()).orphans == 1
    assert left_in(ceph) == []


def test_a_full_pool_is_told_before_or_while_it_fills_and_keeps_nothing(store, ceph):
    writing = store.begin(new_key(), None)
    writing.append(os.urandom(8 * MIB))
    ceph.fill(4 * MIB)
    try:
        with pytest.raises(errors.InsufficientStorage):
            store.begin(new_key(), 10 * MIB)
        with pytest.raises(errors.InsufficientStorage):
            for _ in range(5):  # more than may be under way
                writing.append(os.urandom(8 * MIB))
        writing.close()
        assert left_in(ceph) == []
    finally:
        ceph.unfill()

    assert store.size(put(store, b"fits")) == 4


def test_more_than_the_pool_can_hold_is_refused_before_it_is_sent(store, ceph):
    with pytest.raises(errors.InsufficientStorage, match="bytes are free"):
        store.begin(new_key(), 1 << 40)

    assert left_in(ceph) == []


def test_storage_that_hangs_is_unavailable_in_bounded_time_and_what_was_half_is_swept(store, ceph, impatient):
    store = make_store(ceph.url())
    location = put(store, b"known" * 1000)
    opened, writing = store.open(location, 0, 5000), store.begin(new_key(), None)
    ceph.pause("osd")
    try:
        began = time.monotonic()
        for ask in (
            lambda: writing.append(os.urandom(8 * MIB)),
            opened.read,
            lambda: store.size(location),
            lambda: store.begin(new_key(), None),
            lambda: store.delete(location),
            lambda: store.sweep({location}),
        ):
            with pytest.raises(errors.Unavailable):
                ask()
        asked = time.monotonic() - began
        writing.close()
        opened.close()
        closed = time.monotonic() - began - asked
    finally:
        ceph.revive("osd")

    assert asked < 45  # six questions, each of a few times two seconds
    assert closed < 1
    later = make_store(ceph.url())
    assert read(later, location, 0, 5) == b"known"
    later.wipe(f"incoming/{writing._key}")  # its process lives, and its lease has not ended
    assert [name for name in later.cluster().names() if f"ceph:{name}" != location] == []


def test_monitors_that_hang_are_unavailable_in_bounded_time(store, ceph, impatient):
    ceph.pause("mon")
    try:
        began = time.monotonic()
        fresh = make_store(ceph.url())
        for _ in range(5):  # the first waits, the others know
            with pytest.raises(errors.Unavailable):
                fresh.begin(new_key(), None)
        lasted = time.monotonic() - began
    finally:
        ceph.revive("mon")

    assert lasted < 10
    assert store.size(put(store, b"back")) == 4


def test_a_writer_that_was_held_for_dead_can_write_nothing_any_more(store, ceph, monkeypatch):
    monkeypatch.setattr(rbd, "LEASE_S", 1.0)
    elsewhere = {**writers.this_process(), "boot": "another machine's"}
    monkeypatch.setattr(writers, "this_process", lambda: elsewhere)
    other = make_store(ceph.url())
    writing = other.begin(new_key(), None)
    writing.append(os.urandom(8 * MIB))
    monkeypatch.undo()
    alive = store.is_alive(writing._key)
    time.sleep(1.5)

    swept = store.sweep(set())
    with pytest.raises(errors.Unavailable):
        writing.append(os.urandom(16 * MIB))
        writing.finalize()
    writing.close()

    assert alive
    assert not store.is_alive(writing._key)
    assert swept.leftovers == 1
    assert left_in(ceph) == []
    assert other.size(put(other, b"again")) == 5  # by a connection of its own


def test_a_writer_of_another_machine_lives_as_long_as_its_lease(store, ceph, monkeypatch):
    elsewhere = {**writers.this_process(), "boot": "another machine's"}
    monkeypatch.setattr(writers, "this_process", lambda: elsewhere)
    writing = make_store(ceph.url()).begin(new_key(), None)
    monkeypatch.undo()

    assert store.is_alive(writing._key)
    assert store.sweep(set()).leftovers == 0
    assert store.size(writing.finalize()) == 0
    writing.close()


def test_a_kill_in_the_middle_of_an_upload_leaves_nothing_after_a_sweep(store, ceph):
    location, key = put(store, b"known"), new_key()
    process = subprocess.Popen([sys.executable, "-c", UPLOAD, ceph.url(), key], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"under way\n"
        time.sleep(0.5)
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
    before = [name for name in ceph.objects() if name.startswith("rbd_data.")]

    swept = store.sweep({location})

    assert len(before) >= 3
    assert swept.leftovers == 1
    assert not store.is_alive(key)
    assert store.cluster().names() == [location.partition(":")[2]]
    store.delete(location)
    assert left_in(ceph) == []
    assert store.cluster().notes(rbd.UPLOADS) == {}


def test_readers_finish_what_was_deleted_and_the_last_one_removes_it(store, ceph):
    data = os.urandom(20 * MIB)
    location = put(store, data)
    other = make_store(ceph.url())
    readers = [other.open(location, 0, len(data)), store.open(location, 5, len(data) - 5)]
    first = readers[0].read(MIB)

    store.delete(location)

    with pytest.raises(errors.NotFound):
        other.open(location, 0, 1)
    assert first + readers[0].read() == data
    readers[0].close()
    assert readers[1].read() == data[5:]
    readers[1].close()
    assert left_in(ceph) == []


@pytest.mark.parametrize("what", ["pool", "user", "keyring"])
def test_who_may_not_come_in_hears_of_an_outage_and_the_log_of_no_key(store, ceph, caplog, tmp_path, what):
    key = ceph.keyring.read_text().partition("key = ")[2].strip()
    location, url = put(store, b"data"), ceph.url()
    if what == "keyring":
        wrong = tmp_path / "wrong.keyring"
        wrong.write_text(ceph.keyring.read_text().replace(key, key[:5] + key[5:][::-1].replace("=", "") + "=="))
        wrong.chmod(0o600)
        url = url.replace(str(ceph.keyring), str(wrong))
    url = (
        url.replace(f"//{POOL}", "//nowhere")
        if what == "pool"
        else url.replace("user=images", f"user={'x' if what == 'user' else 'images'}")
    )

    with pytest.raises(errors.Unavailable) as caught:
        make_store(url).size(location)

    assert "Ceph cannot be reached" in caplog.text
    assert key not in caplog.text + repr(caught.value)


def test_a_process_that_is_forked_after_the_first_use_works_too(store, ceph):
    location = put(store, b"data")

    done = subprocess.run(
        [sys.executable, "-c", FORKED, ceph.url(), location], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "0 data\n", "")


def test_many_read_and_write_at_once(store, ceph):
    pieces = [os.urandom(9 * MIB) for _ in range(8)]

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        locations = list(threads.map(lambda data: put(store, data), pieces))
        read_back = list(threads.map(lambda location: read(store, location, 0, 9 * MIB), locations * 3))

    assert read_back == pieces * 3
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(store.delete, locations * 2))  # each by two at once
    assert store.sweep(set()).orphans == 0
    assert left_in(ceph) == []


class Anybody:
    """Takes every token."""

    def check(self, token, request_id, call=None):
        return Context(request_id=request_id, user_id="u", project_id="p", roles=frozenset({"member", "reader"}))


def test_an_image_lives_from_its_upload_to_its_deletion_by_the_api(store, ceph, tmp_path):
    database = Database(f"sqlite:///{tmp_path}/images.db")
    schema.create_all(database)
    images = make_images(database, tmp_path, ImageOptions(store=ceph.url()), "http://cloud.test")
    parts = Parts(database=database, tokens=Anybody(), policy=Policy(), images=images, desk=Desk(database=database, ring=print))
    client = falcon.testing.TestClient(make_app(parts, ["image"]), headers={"X-Auth-Token": "any"})
    data = os.urandom(9 * MIB)
    made = client.simulate_post("/image/v2/images", json={"disk_format": "raw", "container_format": "bare"}).json["id"]
    path = f"/image/v2/images/{made}"

    stored = client.simulate_put(f"{path}/file", body=data, headers={"Content-Type": "application/octet-stream"})
    part = client.simulate_get(f"{path}/file", headers={"Range": "bytes=8388600-8388620"})
    whole = client.simulate_get(f"{path}/file")
    [name] = store.cluster().names()
    ceph.run_rbd("clone", f"{POOL}/{name}@snap", f"{POOL}/volume")
    refused = client.simulate_delete(path)
    ceph.run_rbd("rm", "--no-progress", f"{POOL}/volume")
    deleted = client.simulate_delete(path)
    database.dispose()

    assert (stored.status_code, part.content, whole.content) == (204, data[8388600:8388621], data)
    assert name.startswith(f"{made}.")
    assert (refused.status_code, deleted.status_code) == (409, 204)
    assert left_in(ceph) == []
