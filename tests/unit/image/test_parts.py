"""Uploads by parts: what came stays, only its sender goes on, and nothing is left of what ended."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time

import pytest

from nova_lite import errors
from nova_lite.db import image_parts
from nova_lite.image import inspect, records
from nova_lite.image.parts import Part, Parts, Progress, Sender
from nova_lite.image.service import Images
from nova_lite.image.stores import base, filesystem
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.tickets import Tickets, key_file
from nova_lite.image.upload import Order, Uploads
from nova_lite.model.image import ImageStatus

DATA = bytes(range(256)) * 4000
ME = Sender(user_id="me", project_id="p")
DIES = """
import os, signal, sys
from pathlib import Path
from nova_lite.db.engine import Database
from nova_lite.image.parts import Part, Parts, Sender
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.upload import Uploads

def read(size):
    read.calls += 1
    if read.calls == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return bytes(1000)

read.calls = 0
database, store = Database(sys.argv[1]), FilesystemStore(Path(sys.argv[2]))
me = Sender(user_id="me", project_id="p")
start, total = int(sys.argv[4]), int(sys.argv[5])
part = Part(image_id=sys.argv[3], sender=me, start=start, end=total, total=total, read=read)
Parts(database, store, Uploads(database, store)).take(part)
"""


@pytest.fixture
def send(images):
    """Give the function that sends a part: DATA from `start`, of which `comes` bytes arrive."""

    def sent(image, start, end=None, comes=None, data=DATA, by=images, **more):
        end = len(data) if end is None else end
        stream = io.BytesIO(data[start : end if comes is None else start + comes])

        def read(size):
            piece = stream.read(size)
            if not piece and comes is not None:
                raise errors.RequestTimeout("The connection was cut.")
            return piece

        fields = {"sender": ME, "total": len(data)} | more
        return by.parts.take(Part(image_id=image.id, start=start, end=end, read=read, **fields))

    return sent


@pytest.fixture
def ask(images):
    return lambda image, **more: images.parts.ask(image.id, **({"sender": ME, "total": len(DATA)} | more))


def test_parts_make_an_image_with_the_hashes_of_the_whole(make_image, send, ask, look, images, files):
    image = make_image()

    first = send(image, 0, 1000)
    between = (look(image).status, ask(image))
    second = send(image, 1000, 500_000)
    last = send(image, 500_000)

    assert (first, second) == (Progress(received=1000), Progress(received=500_000))
    assert between == (ImageStatus.QUEUED, Progress(received=1000))
    assert last == Progress(received=len(DATA), complete=True)
    found = look(image)
    assert (found.status, found.size_bytes, found.virtual_size_bytes) == (ImageStatus.ACTIVE, len(DATA), len(DATA))
    assert (found.md5, found.sha512) == (hashlib.md5(DATA).hexdigest(), hashlib.sha512(DATA).hexdigest())
    assert images.open(found, 0, len(DATA)).read() == DATA
    assert len(files()) == 1
    assert ask(image) == Progress(received=len(DATA), complete=True)
    assert images.parts.reread_bytes == 0


def test_what_came_before_a_cut_stays_and_the_image_waits(make_image, send, ask, look):
    image = make_image()

    with pytest.raises(errors.RequestTimeout):
        send(image, 0, comes=700_000)

    assert (look(image).status, ask(image)) == (ImageStatus.QUEUED, Progress(received=700_000))
    assert send(image, 700_000).complete
    assert look(image).sha512 == hashlib.sha512(DATA).hexdigest()


def test_another_process_reads_what_it_did_not_see_once(make_image, send, look, database, store, tmp_path, monkeypatch):
    from nova_lite.image import parts

    monkeypatch.setattr(parts, "NEAR", 0)
    other = Images(database, store, Tickets(key_file(tmp_path)), "http://cloud.test")
    third = Images(database, store, Tickets(key_file(tmp_path)), "http://cloud.test")
    image = make_image()

    send(image, 0, 100_000)
    send(image, 100_000, 300_000, by=other)
    send(image, 300_000, 400_000, by=other)
    before = other.parts.reread_bytes
    assert send(image, 400_000, by=third).complete

    assert look(image).sha512 == hashlib.sha512(DATA).hexdigest()
    assert (before, third.parts.reread_bytes) == (0, len(DATA))


def test_what_is_near_is_read_before_the_next_part(make_image, send, database, store, tmp_path):
    other = Images(database, store, Tickets(key_file(tmp_path)), "http://cloud.test")
    image = make_image()
    send(image, 0, 100_000)

    send(image, 100_000, 300_000, by=other)

    assert other.parts.reread_bytes == 100_000
    assert send(image, 300_000, by=other).complete
    assert other.parts.reread_bytes == 100_000


@pytest.mark.parametrize(
    ("start", "end", "more"),
    [
        (1001, 2000, {}),
        (999, 2000, {}),
        (2000, 3000, {}),
        (1000, 2000, {"total": len(DATA) + 1}),
        (1000, 2000, {"staged": True}),
    ],
)
def test_a_part_that_does_not_fit_changes_nothing(make_image, send, ask, look, start, end, more):
    image = make_image()
    send(image, 0, 1000)

    with pytest.raises(errors.Conflict):
        send(image, start, end, **more)

    assert (ask(image).received, look(image).status) == (1000, ImageStatus.QUEUED)
    assert send(image, 1000).complete


def test_a_part_in_the_middle_begins_nothing(make_image, send, files):
    image = make_image()

    with pytest.raises(errors.Conflict):
        send(image, 1000, 2000)

    assert files() == []


@pytest.mark.parametrize("other", [Sender(user_id="you", project_id="p"), Sender(user_id="me", project_id="q")])
def test_only_who_began_goes_on(make_image, send, ask, other):
    image = make_image()
    send(image, 0, 1000)

    with pytest.raises(errors.Forbidden):
        send(image, 1000, sender=other)
    with pytest.raises(errors.Forbidden):
        ask(image, sender=other)

    assert ask(image).received == 1000


def test_a_part_from_the_first_byte_begins_anew(make_image, send, ask, files, look):
    image = make_image()
    send(image, 0, 1000)
    kept = files()

    send(image, 0, 500, data=DATA[::-1][:2000])

    assert (ask(image, total=2000).received, len(files())) == (500, 1)
    assert files() != kept
    assert send(image, 500, 2000, data=DATA[::-1][:2000]).complete
    assert look(image).sha512 == hashlib.sha512(DATA[::-1][:2000]).hexdigest()


def test_a_plain_upload_begins_anew_and_leaves_nothing_of_the_parts(make_image, send, ask, upload, look, files):
    image = make_image()
    send(image, 0, 1000)

    upload(image, b"whole")

    assert (look(image).size_bytes, len(files())) == (5, 1)
    with pytest.raises(errors.Conflict):
        send(image, 1000)
    with pytest.raises(errors.Conflict):
        ask(image)


def test_a_deleted_image_leaves_nothing_of_its_parts(make_image, send, images, database, files, ask):
    image = make_image()
    send(image, 0, 1000)

    database.transact(lambda tx: images.delete(tx, image))

    assert files() == []
    with pytest.raises(errors.NotFound):
        ask(image)


def test_of_two_senders_at_once_the_second_is_refused(make_image, images, send, ask):
    image, seen = make_image(), []

    def read(size):
        if not seen:
            for attempt in (lambda: send(image, 0), lambda: send(image, 1000, 2000), lambda: ask(image)):
                with pytest.raises(errors.Conflict) as failure:
                    attempt()
                seen.append(failure.value)
        return bytes(size)

    images.parts.take(Part(image_id=image.id, sender=ME, start=0, end=1000, total=len(DATA), read=read))

    assert len(seen) == 3
    assert ask(image).received == 1000


def test_an_image_deleted_or_sent_anew_meanwhile_is_lost_to_the_part(make_image, images, database, files, monkeypatch):
    from nova_lite.image import parts

    monkeypatch.setattr(parts, "LOOK_EVERY_S", -1.0)
    image, calls = make_image(), []

    def read(size):
        calls.append(size)
        if len(calls) == 2:
            database.transact(lambda tx: images.delete(tx, image))
        return bytes(size)

    with pytest.raises(errors.Gone):
        images.parts.take(Part(image_id=image.id, sender=ME, start=0, end=1 << 30, total=1 << 30, read=read))

    assert len(calls) < 4
    assert files() == []


def test_an_image_that_is_queued_by_a_sweep_while_a_part_comes_is_completed_all_the_same(make_image, images, database, look):
    image = make_image()

    def read(size):
        with database.read() as tx:
            upload_id = records.upload_of(tx, image.id)
        if upload_id is not None:
            database.transact(lambda tx: records.give_up_upload(tx, image.id, upload_id))
        return bytes(size)

    images.parts.take(Part(image_id=image.id, sender=ME, start=0, end=1000, total=1000, read=read))

    assert look(image).status is ImageStatus.ACTIVE


@pytest.mark.parametrize("more", [{"digests": {"sha512": "0" * 128}}, {"digests": {"md5": "0" * 32}}])
def test_a_whole_that_is_wrong_leaves_nothing(make_image, send, files, look, ask, more):
    image = make_image()
    send(image, 0, 1000)

    with pytest.raises(errors.BadRequest):
        send(image, 1000, **more)

    assert (files(), look(image).status, ask(image).received) == ([], ImageStatus.QUEUED, 0)


def test_content_that_does_not_fit_the_claim_is_refused_with_the_part_that_shows_it(make_image, send, files):
    image = make_image(disk_format="qcow2")
    data = bytes(3 << 20)

    with pytest.raises(inspect.FormatRefused):
        send(image, 0, 2 << 20, data=data)

    assert files() == []


def test_a_claim_that_changed_between_parts_is_what_is_examined(make_image, send, database, look):
    from nova_lite.db import images as db

    image = make_image(disk_format="qcow2")
    send(image, 0, 1000)
    database.transact(lambda tx: db.update_image(tx, image.id, {"disk_format": "raw"}))

    assert send(image, 1000).complete
    assert look(image).sha512 == hashlib.sha512(DATA).hexdigest()


def test_staged_parts_wait_for_their_import(make_image, send, ask, look):
    image = make_image()
    send(image, 0, 1000, staged=True)

    assert look(image).status is ImageStatus.QUEUED
    assert send(image, 1000, staged=True).complete
    assert look(image).status is ImageStatus.UPLOADING
    assert ask(image, staged=True).complete
    with pytest.raises(errors.Conflict):
        ask(image)


def test_all_bytes_whose_end_was_cut_off_are_completed_by_asking(make_image, send, ask, look, monkeypatch, images):
    image = make_image()
    with monkeypatch.context() as broken:
        broken.setattr(Parts, "_complete", lambda *_: (_ for _ in ()).throw(errors.Unavailable("away")))
        with pytest.raises(errors.Unavailable):
            send(image, 0)
    assert look(image).status is ImageStatus.QUEUED

    assert ask(image).complete
    assert look(image).sha512 == hashlib.sha512(DATA).hexdigest()


def test_a_store_that_cannot_keep_parts_says_so(make_image, database, store):
    class Whole:
        name = "whole"
        is_alive = staticmethod(lambda _key: False)

    image = make_image()
    parts = Parts(database, Whole(), Uploads(database, Whole()))

    with pytest.raises(errors.BadRequest, match="whole only"):
        parts.take(Part(image_id=image.id, sender=ME, start=0, end=10, total=10, read=bytes))


def test_what_does_not_fit_is_refused_before_it_comes(make_image, database, tmp_path):
    store = FilesystemStore(tmp_path / "images", free_bytes=lambda folder: 100)
    image = make_image()

    with pytest.raises(errors.InsufficientStorage):
        Parts(database, store, Uploads(database, store)).take(
            Part(image_id=image.id, sender=ME, start=0, end=10, total=101, read=bytes)
        )


def test_a_sweep_takes_half_an_upload_only_when_it_is_a_day_old(
    make_image, send, images, database, store, ask, files, monkeypatch
):
    image = make_image()
    send(image, 0, 1000)

    with database.read() as tx:
        kept = records.kept(tx)
    images.start()
    young = (store.list_strays(kept), ask(image).received)
    with database.read() as tx:
        assert image_parts.announced(tx, "p", "") == (1, len(DATA))
    late = time.time() + base.PARTS_AGE_S + 1
    monkeypatch.setattr(filesystem.time, "time", lambda: late)
    strays = store.list_strays(kept)
    images.start()

    assert young == ([], 1000)
    assert [name.partition("/")[0] for name in strays] == ["partial"]
    assert (files(), ask(image).received) == ([], 0)
    with database.read() as tx:
        assert image_parts.announced(tx, "p", "") == (0, 0)
    assert send(image, 0).complete


def test_a_sweep_takes_half_an_upload_that_no_record_names_after_a_minute(
    make_image, send, store, database, files, monkeypatch
):
    image = make_image()
    send(image, 0, 1000)
    with database.read() as tx:
        kept = records.kept(tx)
    late = time.time() + 61
    monkeypatch.setattr(filesystem.time, "time", lambda: late)

    named = store.sweep(kept).leftovers
    nameless = store.sweep(set()).leftovers

    assert (named, nameless, files()) == (0, 1, [])


def killed_while_sending(tmp_path, image):
    arguments = [f"sqlite:///{tmp_path}/images.db", str(tmp_path / "images"), image.id, "0", str(len(DATA))]
    return subprocess.run([sys.executable, "-c", DIES, *arguments], check=False, env=os.environ, timeout=60).returncode


def test_a_kill_keeps_what_came_and_the_next_part_goes_on(make_image, tmp_path, look, send, ask):
    image = make_image()

    code = killed_while_sending(tmp_path, image)

    assert (code, look(image).status) == (-9, ImageStatus.SAVING)
    assert ask(image).received == 2000
    rest = bytes(len(DATA) - 2000)
    assert send(image, 2000, data=bytes(2000) + rest).complete
    assert look(image).sha512 == hashlib.sha512(bytes(len(DATA))).hexdigest()


def test_a_start_after_a_kill_queues_the_image_and_keeps_what_came(make_image, images, tmp_path, look, ask):
    image = make_image()
    killed_while_sending(tmp_path, image)

    images.start()

    assert (look(image).status, ask(image).received) == (ImageStatus.QUEUED, 2000)
    images.upload(Order(image_id=image.id, read=io.BytesIO(b"anew").read))
    assert look(image).size_bytes == 4


def test_a_half_upload_that_could_not_be_removed_is_not_forgotten(make_image, send, images, database, monkeypatch):
    send(make_image(), 0, 1000)
    late = time.time() + base.PARTS_AGE_S + 1
    monkeypatch.setattr(filesystem.time, "time", lambda: late)
    monkeypatch.setattr(filesystem, "_remove_abandoned", lambda path, age_s: False)

    images.start()

    with database.read() as tx:
        assert image_parts.announced(tx, "p", "") == (1, len(DATA))


def test_parts_that_cannot_be_removed_do_not_hinder_bytes_from_the_beginning(
    make_image, send, upload, store, look, monkeypatch, caplog
):
    def away(key):
        raise errors.Unavailable("not there", what="the image store")

    image = make_image()
    send(image, 0, 1000)
    monkeypatch.setattr(type(store), "drop_parts", lambda self, key: away(key))

    upload(image, DATA)

    assert look(image).status == ImageStatus.ACTIVE
    assert "Parts of an image stay for now" in caplog.text
