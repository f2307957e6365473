"""How images are used: counted beside downloads, written together, and added up."""

from __future__ import annotations

import dataclasses
import io
import socket
import threading

import pytest

from nova_lite import errors
from nova_lite.db import image_usage as db
from nova_lite.db.tables.images import image_usage
from nova_lite.db.tables.outbox import outbox
from nova_lite.image import copies, quotas, records, usage
from nova_lite.image.usage import Counted, Download, Usage
from nova_lite.model.image import Image, ImageStatus, Visibility

ID = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
IMAGE = Image(
    id=ID,
    name="i",
    owner="p",
    status=ImageStatus.ACTIVE,
    visibility=Visibility.PRIVATE,
    disk_format="raw",
    container_format="bare",
    size_bytes=100,
    location="file:kept/x",
)


@pytest.fixture
def counting(database):
    database.transact(lambda tx: records.create(tx, IMAGE))
    made = Usage(database, flush_s=3600.0)  # the tests write by hand
    return made


def stored(database):
    with database.read() as tx:
        return {row["image_id"]: (row["downloads"], row["sent_bytes"]) for row in tx.execute(image_usage.select()).mappings()}


def test_counts_are_written_together_and_added(counting, database):
    for _ in range(3):
        counting.sent(Download(image=IMAGE, start=0, length=100), 100)
    unwritten = stored(database)
    counting.flush()
    first = stored(database)
    counting.sent(Download(image=IMAGE, start=0, length=100), 30)
    counting.flush()
    counting.flush()

    assert (unwritten, first, stored(database)) == ({}, {ID: (3, 300)}, {ID: (3, 330)})


@pytest.mark.parametrize(
    ("parts", "downloads"),
    [
        ([(0, 100, 100)], 1),
        ([(0, 100, 99)], 0),  # cut
        ([(0, 50, 50), (50, 50, 50)], 1),  # a download that went on where it was cut
        ([(50, 50, 50)], 1),
        ([(0, 50, 50)], 0),
        ([(99, 1, 0)], 0),
    ],
)
def test_a_download_counts_when_its_last_byte_was_sent(counting, database, parts, downloads):
    for start, length, sent in parts:
        counting.sent(Download(image=IMAGE, start=start, length=length), sent)
    counting.flush()

    assert stored(database)[ID] == (downloads, sum(sent for _, _, sent in parts))


def test_counts_outlive_an_outage(counting, database, monkeypatch):
    counting.sent(Download(image=IMAGE, start=0, length=100), 100)

    def away(work):
        raise errors.Unavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(database, "transact", away)
        with pytest.raises(errors.Unavailable):
            counting.flush()
        counting.sent(Download(image=IMAGE, start=0, length=100), 100)
    counting.flush()

    assert stored(database) == {ID: (2, 200)}


def test_an_image_that_is_gone_loses_its_counts_and_no_other_does(counting, database):
    other = dataclasses.replace(IMAGE, id=OTHER)
    for image in (IMAGE, other):  # the other one was never recorded, or was deleted meanwhile
        counting.sent(Download(image=image, start=0, length=100), 100)
    counting.flush()
    kept = stored(database)
    database.transact(lambda tx: records.delete(tx, IMAGE))

    assert (kept, stored(database)) == ({ID: (1, 100)}, {})


def test_the_time_of_a_late_writing_does_not_go_back(counting, database):
    database.transact(lambda tx: db.add(tx, ID, 1, 1, 500.0))
    database.transact(lambda tx: db.add(tx, ID, 1, 1, 400.0))

    with database.read() as tx:
        assert tx.execute(image_usage.select()).mappings().one()["last_download_at"] == 500.0


def test_what_was_sent_is_told_where_somebody_listens(counting, database):
    database.announces = True
    counting.sent(Download(image=IMAGE, start=0, length=100, project_id="q", user_id="u"), 100)
    counting.sent(Download(image=IMAGE, start=0, length=100, by="host"), 7)
    counting.flush()

    with database.read() as tx:
        told = tx.execute(outbox.select().order_by(outbox.c.id)).mappings().all()
    assert [(row["event_type"], row["priority"]) for row in told] == [("image.send", "INFO"), ("image.send", "ERROR")]
    assert told[0]["payload"] == {
        "bytes_sent": 100,
        "image_id": ID,
        "owner_id": "p",
        "receiver_tenant_id": "q",
        "receiver_user_id": "u",
    }


def test_notifications_that_wait_are_bounded(counting, database, monkeypatch):
    monkeypatch.setattr(usage, "MOST_TOLD", 2)
    database.announces = True
    for _ in range(5):
        counting.sent(Download(image=IMAGE, start=0, length=100), 100)
    counting.flush()

    with database.read() as tx:
        assert len(tx.execute(outbox.select()).all()) == 2
    assert stored(database) == {ID: (5, 500)}


def test_a_thread_writes_by_itself(database):
    database.transact(lambda tx: records.create(tx, IMAGE))
    written = threading.Event()
    counting = Usage(database, flush_s=0.01)
    flush = counting.flush

    def watched():
        flush()
        written.set()

    counting.flush = watched
    counting.sent(Download(image=IMAGE, start=0, length=100), 100)

    assert written.wait(20)
    assert stored(database) == {ID: (1, 100)}


def test_a_file_that_is_read_tells_once_what_was_read():
    told = []
    file = Counted(io.BytesIO(b"x" * 10), told.append)

    file.read(4)
    file.read(3)
    file.close()
    file.close()

    assert told == [7]


def test_a_file_that_goes_by_sendfile_tells_what_was_sent(tmp_path):
    (tmp_path / "x").write_bytes(b"x" * 100)
    told = []
    opened = open(tmp_path / "x", "rb")  # noqa: SIM115 - closed by what is tested
    opened.seek(40)
    file = Counted(opened, told.append)
    ours, theirs = socket.socketpair()

    with ours, theirs:
        ours.sendfile(file, offset=40, count=50)
        file.seek(40)  # as gunicorn leaves it
        file.close()

    assert told == [50]


def test_every_copy_that_is_there_counts_in_its_store(counting, database):
    far = dataclasses.replace(IMAGE, id=OTHER, owner="q", size_bytes=30, location="s3:x")
    database.transact(lambda tx: records.create(tx, far))
    database.transact(lambda tx: copies.ask(tx, ID, ["s3", "tape"]))

    def finish(tx):
        [s3] = [one for one in copies.of_image(tx, ID) if one.store == "s3"]
        assert copies.finish(tx, s3, None, "s3:y")

    database.transact(finish)

    with database.read() as tx:
        everything = usage.list_used(tx)
        sums = usage.by_store(tx, ["file", "s3", "tape"]), usage.by_store(tx, ["file", "s3"], "q"), usage.by_store(tx, ["fil"])
        told = quotas.monitored(tx, "p", ["file", "s3"])

    assert [(one.stores, one.kept_bytes) for one in everything] == [({"file": 100, "s3": 100}, 200), ({"s3": 30}, 30)]
    assert [one.stores for one in usage.by_project(everything)] == [{"file": 100, "s3": 100}, {"s3": 30}]
    assert sums == ({"file": 100, "s3": 130, "tape": 0}, {"file": 0, "s3": 30}, {"fil": 0})
    assert told == {
        "image_count_downloads": 0, "image_sent_total": 0, "image_store_total:file": 1, "image_store_total:s3": 1,
    }  # fmt: skip


def test_use_is_shown_by_image_and_added_up_by_project(counting, database):
    mine = dataclasses.replace(IMAGE, id=OTHER, name="o", location=None)
    far = dataclasses.replace(IMAGE, id=OTHER.replace("2", "3"), owner="q")
    for image in (mine, far):
        database.transact(lambda tx, image=image: records.create(tx, image))
    counting.sent(Download(image=IMAGE, start=0, length=100), 100)
    counting.flush()

    with database.read() as tx:
        everything, own = usage.list_used(tx), usage.list_used(tx, "p")
        sums = db.sums(tx, "p"), db.sums(tx, "nobody")

    assert [(one.image_id, one.kept_bytes, one.downloads) for one in own] == [(ID, 100, 1), (OTHER, 0, 0)]
    assert [(one.project_id, one.name, one.kept_bytes, one.sent_bytes) for one in usage.by_project(everything)] == [
        ("p", "2", 100, 100),
        ("q", "1", 100, 0),
    ]
    assert own[1].last_used_at is None and own[0].last_used_at is not None
    assert sums == ((1, 100), (0, 0))
