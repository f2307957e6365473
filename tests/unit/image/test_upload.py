"""Uploads: what goes right is active, what goes wrong leaves nothing, whoever is first wins."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading

import pytest

from nova_lite import errors
from nova_lite.image import examination, inspect
from nova_lite.image import upload as uploads
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.upload import Order, Uploads
from nova_lite.model.image import ImageStatus

DATA = b"0123456789" * 1000
DIES = """
import os, signal, sys
from pathlib import Path
from nova_lite.db.engine import Database
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.upload import Order, Uploads

def read(size):
    read.calls += 1
    if read.calls == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
    return bytes(size) if read.calls < 5 else b""

read.calls = 0
Uploads(Database(sys.argv[1]), FilesystemStore(Path(sys.argv[2]))).run(Order(image_id=sys.argv[3], read=read))
"""


def cut(after):
    """Give a body that ends with the client's departure."""
    stream = io.BytesIO(DATA[:after])

    def read(size):
        data = stream.read(size)
        if not data:
            raise errors.RequestTimeout("The connection was cut.")
        return data

    return read


class Slow:
    """A body whose end waits."""

    def __init__(self):
        self.started = threading.Event()
        self.go_on = threading.Event()
        self._stream = io.BytesIO(DATA)

    def read(self, size):
        data = self._stream.read(size)
        if not data:
            self.started.set()
            assert self.go_on.wait(20)
        return data


def in_thread(work):
    failure = []

    def run():
        try:
            work()
        except errors.NovaLiteError as error:
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failure


def test_an_uploaded_image_is_active_with_size_and_hashes(make_image, upload, look, images, files):
    image = make_image()

    upload(image, DATA, length=len(DATA))

    found = look(image)
    assert (found.status, found.size_bytes, found.virtual_size_bytes) == (ImageStatus.ACTIVE, len(DATA), len(DATA))
    assert (found.md5, found.sha512) == (hashlib.md5(DATA).hexdigest(), hashlib.sha512(DATA).hexdigest())
    opened = images.open(found, 5, 10)
    assert opened.read() == DATA[5:15]
    opened.close()
    assert len(files()) == 1


@pytest.mark.parametrize(
    ("more", "failure"),
    [
        ({"length": len(DATA) + 1}, errors.BadRequest),
        ({"length": examination.LARGEST + 1}, errors.TooLarge),
        ({"digests": {"md5": "0" * 32}}, errors.BadRequest),
        ({"digests": {"sha512": "0" * 128}}, errors.BadRequest),
        ({"read": cut(5000)}, errors.RequestTimeout),
    ],
)
def test_an_upload_that_goes_wrong_leaves_nothing_and_may_be_repeated(make_image, images, upload, look, files, more, failure):
    image = make_image()

    with pytest.raises(failure):
        images.upload(Order(**({"image_id": image.id, "read": io.BytesIO(DATA).read} | more)))

    assert (look(image).status, look(image).location, files()) == (ImageStatus.QUEUED, None, [])
    upload(image, DATA)
    assert look(image).status is ImageStatus.ACTIVE


def test_announced_digests_are_compared_without_case(make_image, upload, look):
    image = make_image()

    upload(image, DATA, digests={"md5": hashlib.md5(DATA).hexdigest().upper()})

    assert look(image).status is ImageStatus.ACTIVE


def test_content_that_does_not_fit_the_claim_leaves_nothing(make_image, upload, look, files):
    image = make_image(disk_format="qcow2")

    with pytest.raises(inspect.FormatRefused):
        upload(image, DATA)

    assert (look(image).status, files()) == (ImageStatus.QUEUED, [])


def test_a_store_that_fills_leaves_nothing(make_image, database, look, tmp_path, files):
    free = [1 << 40]
    store = FilesystemStore(tmp_path / "images", free_bytes=lambda folder: free[0])
    image = make_image()
    left = 100

    def endless(size):
        nonlocal left
        left -= 1
        free[0] = 0 if left < 90 else free[0]
        return bytes(size) if left else b""

    with pytest.raises(errors.InsufficientStorage):
        Uploads(database, store).run(Order(image_id=image.id, read=endless))

    assert (look(image).status, files()) == (ImageStatus.QUEUED, [])
    assert left > 0  # long before the body ended


def test_a_body_without_end_is_ended(make_image, images, look, files, monkeypatch):
    monkeypatch.setattr(examination, "LARGEST", 5 << 20)
    image = make_image()

    with pytest.raises(errors.TooLarge):
        images.upload(Order(image_id=image.id, read=bytes))

    assert (look(image).status, files()) == (ImageStatus.QUEUED, [])


@pytest.mark.parametrize("status", [ImageStatus.ACTIVE, ImageStatus.DEACTIVATED, ImageStatus.KILLED])
def test_bytes_come_once(make_image, upload, look, status):
    image = make_image(status=status)

    with pytest.raises(errors.Conflict):
        upload(image, DATA)

    assert look(image).status is status


def test_an_image_without_formats_takes_no_bytes(make_image, upload):
    with pytest.raises(errors.BadRequest, match="disk_format"):
        upload(make_image(disk_format=None), DATA)


def test_an_unknown_image_takes_no_bytes(images, files):
    with pytest.raises(errors.NotFound):
        images.upload(Order(image_id="nothing", read=io.BytesIO(DATA).read))

    assert files() == []


def test_of_two_uploads_at_once_the_second_is_refused(make_image, images, upload, look, files):
    image, body = make_image(), Slow()
    thread, failure = in_thread(lambda: images.upload(Order(image_id=image.id, read=body.read)))
    assert body.started.wait(20)

    assert look(image).status is ImageStatus.SAVING
    with pytest.raises(errors.Conflict):
        upload(image, b"other")
    body.go_on.set()
    thread.join(20)

    assert (failure, look(image).size_bytes, len(files())) == ([], len(DATA), 1)


def test_of_many_uploads_at_once_exactly_one_succeeds(make_image, upload, look, files):
    image = make_image()
    threads = [in_thread(lambda: upload(image, DATA)) for _ in range(8)]
    for thread, _ in threads:
        thread.join(30)

    failures = [failure[0] for _, failure in threads if failure]
    assert len(failures) == 7
    assert all(isinstance(failure, errors.Conflict) for failure in failures)
    assert (look(image).status, len(files())) == (ImageStatus.ACTIVE, 1)


@pytest.mark.parametrize("look_every_s", [5.0, -1.0])
def test_an_image_that_is_deleted_meanwhile_is_gone_and_its_space_free(
    make_image, images, database, files, monkeypatch, look_every_s
):
    monkeypatch.setattr(uploads, "LOOK_EVERY_S", look_every_s)
    image, body = make_image(), Slow()
    thread, failure = in_thread(lambda: images.upload(Order(image_id=image.id, read=body.read)))
    assert body.started.wait(20)

    database.transact(lambda tx: images.delete(tx, image))
    body.go_on.set()
    thread.join(20)

    assert [type(error) for error in failure] == [errors.Gone]
    assert files() == []


def test_a_deleted_upload_ends_long_before_its_body(make_image, images, database, monkeypatch):
    monkeypatch.setattr(uploads, "LOOK_EVERY_S", -1.0)
    image, calls = make_image(), []

    def read(size):
        calls.append(size)
        if len(calls) == 2:
            database.transact(lambda tx: images.delete(tx, image))
        return bytes(10)

    with pytest.raises(errors.Gone):
        images.upload(Order(image_id=image.id, read=read))

    assert len(calls) == 2


def test_deleting_an_image_frees_its_space(make_image, images, database, upload, look, files):
    image = make_image()
    upload(image, DATA)
    active = look(image)

    database.transact(lambda tx: images.delete(tx, active))

    assert files() == []
    with pytest.raises(errors.NotFound):
        look(image)


def test_a_delete_that_is_not_committed_keeps_the_bytes(make_image, images, database, upload, look, files):
    image = make_image()
    upload(image, DATA)

    def work(tx):
        images.delete(tx, look(image))
        raise errors.Conflict

    with pytest.raises(errors.Conflict):
        database.transact(work)

    assert len(files()) == 1
    assert look(image).status is ImageStatus.ACTIVE


def test_an_answer_that_was_lost_keeps_the_bytes_until_the_record_is_known(
    make_image, images, database, look, files, monkeypatch
):
    image = make_image()
    committed = database.transact

    def lost(work):
        done = committed(work)
        if done is True and look(image).status is ImageStatus.ACTIVE:
            raise errors.Unavailable("The answer to COMMIT was lost.")
        return done

    monkeypatch.setattr(database, "transact", lost)
    with pytest.raises(errors.Unavailable):
        images.upload(Order(image_id=image.id, read=io.BytesIO(DATA).read))
    monkeypatch.undo()
    images.start()

    assert (look(image).status, len(files())) == (ImageStatus.ACTIVE, 1)


@pytest.mark.parametrize("at", [1, 3, 5])
def test_an_upload_whose_process_was_killed_is_mended_at_the_next_start(
    database, make_image, images, look, files, tmp_path, at
):
    image = make_image()
    url = f"sqlite:///{tmp_path}/images.db"
    command = [sys.executable, "-c", DIES, url, str(tmp_path / "images"), image.id, str(at)]
    died = subprocess.run(command, check=False, timeout=60, env=dict(os.environ))
    assert died.returncode == -signal.SIGKILL
    assert look(image).status is ImageStatus.SAVING

    images.start()

    assert (look(image).status, files()) == (ImageStatus.QUEUED, [])


def test_an_upload_whose_process_was_killed_is_taken_over_by_the_next_one(database, make_image, upload, look, tmp_path):
    image = make_image()
    url = f"sqlite:///{tmp_path}/images.db"
    command = [sys.executable, "-c", DIES, url, str(tmp_path / "images"), image.id, "3"]
    subprocess.run(command, check=False, timeout=60, env=dict(os.environ))

    upload(image, DATA)

    assert look(image).size_bytes == len(DATA)


def test_a_start_spares_uploads_that_run(make_image, images, look):
    image, body = make_image(), Slow()
    thread, failure = in_thread(lambda: images.upload(Order(image_id=image.id, read=body.read)))
    assert body.started.wait(20)

    images.start()
    body.go_on.set()
    thread.join(20)

    assert (failure, look(image).status) == ([], ImageStatus.ACTIVE)
