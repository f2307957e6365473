"""What Swift does besides the contract, on one in memory and on a real one: large objects, and uploads by parts."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import uuid

import orjson
import pytest

from nova_lite import errors
from nova_lite.image.parts import Part, Sender
from nova_lite.image.service import Images
from nova_lite.image.stores import swift
from nova_lite.image.stores.base import key_of
from nova_lite.image.stores.registry import make_store
from nova_lite.image.stores.several import Stores
from nova_lite.image.stores.writers import this_process
from nova_lite.image.tickets import Tickets, ensure_key, key_file

MIB = 1 << 20
HOLD = """
import os, sys, time
from nova_lite.image.stores.registry import make_store
store = make_store(sys.argv[1])
store.segment_bytes = 1 << 20
parts = sys.argv[3] == "parts"
writing = store.take_up(sys.argv[2], None, fresh=True) if parts else store.begin(sys.argv[2], None)
writing.append(b"x" * (2 << 20) + b"lost")
print("holding", flush=True)
time.sleep(60)
"""


@pytest.fixture(params=["swift", pytest.param("real_swift", marks=pytest.mark.swift)])
def kit(request):
    return request.getfixturevalue(f"{request.param}_kit")


@pytest.fixture
def key():
    return key_of(str(uuid.uuid4()), str(uuid.uuid4()))


@pytest.fixture
def kill_writer(kit, key):
    """Give the function that lets another process send two segments, kills it, and tells whether it was alive before."""

    def run(how):
        process = subprocess.Popen([sys.executable, "-c", HOLD, kit.url, key, how], stdout=subprocess.PIPE)
        try:
            assert process.stdout.readline() == b"holding\n"
            found = kit.store.is_alive(key), kit.store.sweep(set()).leftovers
        finally:
            process.kill()
            process.wait(10)
            process.stdout.close()
        return found

    return run


def other(kit):
    """Give the same store as another process would have it."""
    made = make_store(kit.url)
    made.segment_bytes = MIB
    return made


def read(store, location, start, length):
    opened = store.open(location, start, length)
    try:
        return b"".join(iter(lambda: opened.read(100_000), b""))
    finally:
        opened.close()


def write(store, key, data):
    writing = store.begin(key, len(data))
    for at in range(0, len(data), 300_000):
        writing.append(data[at : at + 300_000])
    location = writing.finalize()
    writing.close()
    return location


def names(kit, folder):
    return [name for name in kit.everything() if name.startswith(f"images/{folder}")]


# -- large objects ----------------------------------------------------------------------------------------------------------


def test_a_large_image_goes_by_segments_and_comes_back(kit, key):
    data = os.urandom(2 * MIB + 1000)

    location = write(kit.store, key, data)

    assert kit.store.size(location) == len(data)
    assert read(kit.store, location, 0, len(data)) == data
    assert read(kit.store, location, MIB - 5, 10) == data[MIB - 5 : MIB + 5]
    assert read(kit.store, location, 2 * MIB + 999, 50) == data[-1:]
    assert len(kit.everything()) == 4  # and no sign of life
    kit.store.delete(location)
    assert kit.everything() == []


def test_more_segments_than_a_manifest_may_name_go_by_manifests_of_manifests(kit, key):
    kit.store.segment_bytes, kit.store.most_entries = 1000, 3
    data = os.urandom(10_500)

    location = write(kit.store, key, data)

    assert kit.store.size(location) == len(data)
    assert read(kit.store, location, 0, len(data)) == data
    assert read(kit.store, location, 2990, 4020) == data[2990:7010]
    assert len(names(kit, "segments")) == 11 + 4 + 2
    kit.store.delete(location)
    assert kit.everything() == []


def test_a_cut_upload_frees_its_segments(kit, key):
    writing = kit.store.begin(key, None)
    writing.append(bytes(2 * MIB + 10))
    before = len(names(kit, "segments"))

    writing.close()

    assert (before, kit.everything()) == (2, [])


def test_a_writer_killed_in_the_middle_leaves_nothing_after_a_sweep(kit, key, kill_writer):
    alive, swept_before = kill_writer("whole")
    left = len(names(kit, "segments"))

    swept = kit.store.sweep(set())

    assert (alive, swept_before, left) == (True, 0, 2)
    assert swept.leftovers == 1
    assert kit.everything() == []


def test_a_kill_between_the_manifest_and_its_segments_is_swept_up(kit, key):
    location = write(kit.store, key, bytes(2 * MIB))
    kit.store.api.delete(swift.KEPT + key)  # what a delete does first

    swept = kit.store.sweep({location})

    assert swept.leftovers == 1
    assert kit.everything() == []


def test_an_upload_whose_segments_were_swept_cannot_finish(kit, key):
    writing = kit.store.begin(key, None)
    writing.append(bytes(2 * MIB))
    kit.store.api.delete(f"segments/{key}/00000001")

    with pytest.raises(errors.Unavailable):
        writing.finalize()
    writing.close()

    assert kit.everything() == []


def test_a_segment_that_became_another_is_noticed_at_the_end(kit, key):
    writing = kit.store.begin(key, None)
    writing.append(bytes(2 * MIB))
    kit.store.api.put(f"segments/{key}/00000001", b"\1" * MIB)

    with pytest.raises(errors.Unavailable):
        writing.finalize()
    writing.close()


@pytest.mark.parametrize("number", [1, 3])
def test_a_segment_that_becomes_another_later_is_not_given_for_the_image(kit, key, number):
    location = write(kit.store, key, bytes(3 * MIB))
    kit.store.api.put(f"segments/{key}/0000000{number}", b"\1" * MIB)

    with pytest.raises(errors.Unavailable):
        read(kit.store, location, 0, 3 * MIB)


def test_what_a_quota_does_not_allow_is_a_full_store_and_nothing_stays(kit, key, request):
    if kit.in_memory:
        request.getfixturevalue("fake_swift").fault = lambda method, path: (
            413 if (method, "/00000002" in path) == ("PUT", True) else None
        )
    else:
        kit.store.api._call("POST", None, headers={"X-Container-Meta-Quota-Bytes": "5000"})
    writing = kit.store.begin(key, None)

    with pytest.raises(errors.InsufficientStorage):
        writing.append(bytes(2 * MIB))
    writing.close()

    assert kit.everything() == []


def test_other_objects_of_the_container_are_left_alone(kit):
    kit.make_all_old()
    for name in ("kept/README", "segments/mine/1", "partial/mine/1", "alive/README"):
        kit.store.api.put(name, b"mine")

    kit.store.sweep(set())

    assert len(kit.everything()) == 4
    assert kit.store.list_strays(set()) == []


# -- parts ------------------------------------------------------------------------------------------------------------------


def test_parts_of_several_processes_make_one_image(kit, key):
    data = os.urandom(3 * MIB)
    first = kit.store.take_up(key, len(data), fresh=True)
    first.append(data[:1_500_000])
    sizes = [first.size]
    first.suspend()
    first.suspend()

    second = other(kit).take_up(key, None, fresh=False)
    sizes.append(second.size)
    second.append(data[1_500_000:])
    again = [b"".join(second.reread(start)) for start in (0, 1_200_000, 2_900_000)]
    location = second.finalize()
    alive = kit.store.is_alive(key)
    second.suspend()

    assert sizes == [1_500_000, 1_500_000]
    assert again == [data, data[1_200_000:], data[2_900_000:]]
    assert (alive, kit.store.is_alive(key)) == (True, False)
    assert read(kit.store, location, 0, len(data)) == data
    assert kit.store.take_up(key, None, fresh=False) is None
    kit.store.drop_parts(key)
    assert kit.store.sweep({location}).leftovers == 0
    assert kit.store.size(location) == len(data)
    kit.store.delete(location)
    assert kit.everything() == []


def test_a_small_image_by_parts_is_one_object(kit, key):
    writing = kit.store.take_up(key, None, fresh=True)
    writing.append(b"small")
    location = writing.finalize()
    writing.suspend()

    assert read(kit.store, location, 0, 5) == b"small"
    assert kit.everything() == [f"images/kept/{key}"]


def test_many_small_parts_make_few_segments(kit, key):
    data = os.urandom(24_000)
    kit.store.take_up(key, None, fresh=True).suspend()
    kit.store.segment_bytes = 10_000

    for at in range(0, len(data), 2000):
        part = kit.store.take_up(key, None, fresh=False)
        before = part.size
        part.append(data[at : at + 2000])
        assert (before, part.size) == (at, at + 2000)
        part.suspend()
    segments = names(kit, "partial")
    last = kit.store.take_up(key, None, fresh=False)
    location = last.finalize()
    last.suspend()

    assert len(segments) == 3 + 1
    assert read(kit.store, location, 0, len(data)) == data
    assert len(kit.everything()) == 3 + 1


def test_a_small_image_of_two_parts_is_one_object(kit, key):
    first = kit.store.take_up(key, None, fresh=True)
    first.append(b"small")
    first.suspend()
    second = kit.store.take_up(key, None, fresh=False)
    second.append(b" image")

    location = second.finalize()
    second.suspend()

    assert read(kit.store, location, 0, 11) == b"small image"
    assert kit.everything() == [f"images/kept/{key}"]


def test_only_one_adds_to_an_upload(kit, key):
    held = kit.store.take_up(key, None, fresh=True)

    with pytest.raises(errors.Conflict):
        other(kit).take_up(key, None, fresh=False)
    held.suspend()

    other(kit).take_up(key, None, fresh=False).close()
    assert kit.everything() == []


def test_there_is_no_half_upload_where_none_was_begun(kit, key):
    assert kit.store.take_up(key, None, fresh=False) is None
    assert kit.everything() == []


def test_what_a_killed_writer_had_sent_stays_for_the_next_part(kit, key, kill_writer):
    alive, swept = kill_writer("parts")

    with_name = kit.store.sweep({key}).leftovers
    half = kit.store.take_up(key, None, fresh=False)

    assert (alive, swept, with_name) == (True, 0, 0)
    assert half.size == 2 * MIB
    assert b"".join(half.reread(0)) == b"x" * 2 * MIB
    half.close()
    assert kit.everything() == []


def test_a_half_upload_that_no_record_names_or_that_waits_for_long_is_swept(kit, key, monkeypatch):
    half = kit.store.take_up(key, None, fresh=True)
    half.append(bytes(MIB))
    kit.make_all_old()
    held = kit.store.list_strays(set())
    half.suspend()

    assert (held, kit.store.list_strays({key})) == ([], [])
    assert kit.store.list_strays(set()) == [f"partial/{key}"]
    monkeypatch.setattr(swift, "PARTS_AGE_S", -3600.0)
    assert kit.store.sweep({key}).leftovers == 1
    assert kit.everything() == []


def test_whoever_adds_to_a_dropped_upload_notices_at_the_end(kit, key):
    half = kit.store.take_up(key, None, fresh=True)
    half.append(bytes(100))
    other(kit).drop_parts(key)

    with pytest.raises(errors.Unavailable):
        half.finalize()
    half.close()

    assert kit.everything() == []


def test_whoever_lost_an_upload_to_another_adds_nothing_and_leaves_it_alone(kit, key):
    slow = kit.store.take_up(key, None, fresh=True)
    slow.append(bytes(100))
    kit.store.api.delete(swift.ALIVE + key)  # what is done with a writer who was silent for long
    quick = other(kit).take_up(key, None, fresh=False)
    quick.append(b"quick")

    with pytest.raises(errors.Unavailable):
        slow.suspend()

    assert kit.store.is_alive(key)
    assert read(kit.store, quick.finalize(), 0, 5) == b"quick"
    quick.suspend()


def test_an_image_by_parts_has_the_hash_of_the_whole(kit, database, make_image, look, tmp_path):
    ensure_key(key_file(tmp_path))
    services = [
        Images(database, Stores((store,)), Tickets(key_file(tmp_path)), "http://cloud.test")
        for store in (kit.store, other(kit))
    ]
    image, data = make_image(), os.urandom(2 * MIB + 77)
    me = Sender(user_id="me", project_id="p")

    def take(service, start, end):
        read = io.BytesIO(data[start:end]).read
        service.parts.take(Part(image_id=image.id, sender=me, start=start, end=end, total=len(data), read=read))

    take(services[0], 0, MIB + 5)
    (folder,) = kit.store.api.folders(swift.PARTIAL)
    kit.store.api.put(swift.ALIVE + folder, orjson.dumps({**this_process(), "pid": 2**22 + 1}))  # as if it had been killed
    services[1].start()
    came = services[1].parts.ask(image.id, me, total=len(data))
    take(services[1], MIB + 5, len(data))

    assert came.received == MIB + 5
    assert look(image).sha512 == hashlib.sha512(data).hexdigest()
    assert services[0].open(look(image), 0, len(data)).read() == data
    assert names(kit, "alive") == []
