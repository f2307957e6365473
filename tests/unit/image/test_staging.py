"""Bytes that wait for an import: nothing half stays, nothing whole is lost, and they are adopted without a copy."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys

import pytest
from unit.image.test_upload import DATA, DIES, Slow, cut, in_thread

from nova_lite import errors
from nova_lite.image import records, staging
from nova_lite.image.upload import Order
from nova_lite.model.image import ImageStatus


@pytest.fixture
def stage(images):
    return lambda image, read=None: images.stage(Order(image_id=image.id, read=read or io.BytesIO(DATA).read))


def test_staged_bytes_are_adopted_as_they_are(make_image, stage, look, files, database):
    image = make_image()

    stage(image)
    waiting = files()
    database.transact(lambda tx: staging.begin_import(tx, image.id, staged=True))
    adopted = database.transact(lambda tx: staging.adopt(tx, image.id))

    found = look(image)
    assert (adopted, found.status, found.size_bytes) == (True, ImageStatus.ACTIVE, len(DATA))
    assert files() == waiting
    assert not database.transact(lambda tx: staging.adopt(tx, image.id))


def test_a_cut_stage_leaves_nothing_and_may_be_repeated(make_image, stage, look, files):
    image = make_image()

    with pytest.raises(errors.RequestTimeout):
        stage(image, cut(5000))

    assert (look(image).status, files()) == (ImageStatus.QUEUED, [])
    stage(image)
    assert look(image).status is ImageStatus.UPLOADING


def test_staged_bytes_are_swept_only_when_their_image_is_gone(make_image, stage, images, files, database):
    image = make_image()
    stage(image)

    images.start()
    kept = files()
    database.transact(lambda tx: images.delete(tx, image))

    assert len(kept) == 1
    assert files() == []


def test_what_is_staged_is_staged_or_uploaded_no_second_time(make_image, stage, upload):
    image = make_image()
    stage(image)

    with pytest.raises(errors.Conflict):
        stage(image)
    with pytest.raises(errors.Conflict):
        upload(image, DATA)


def test_a_delete_during_a_stage_leaves_no_byte(make_image, stage, images, files, database):
    image, slow = make_image(), Slow()
    thread, failure = in_thread(lambda: stage(image, slow.read))
    assert slow.started.wait(20)

    database.transact(lambda tx: images.delete(tx, image))
    slow.go_on.set()
    thread.join(20)

    assert [type(error) for error in failure] == [errors.Gone]
    assert files() == []


def test_an_import_that_failed_queues_the_image_again_and_says_where(make_image, stage, look, database):
    image = make_image()
    stage(image)
    database.transact(lambda tx: staging.begin_import(tx, image.id, staged=True))

    dropped = database.transact(lambda tx: staging.drop(tx, image.id))
    database.transact(lambda tx: staging.give_up_import(tx, image.id, "file"))

    assert dropped.size_bytes == len(DATA)
    assert (look(image).status, look(image).properties[staging.FAILED]) == (ImageStatus.QUEUED, "file")
    with database.read() as tx:
        assert records.locations(tx) == set()


@pytest.mark.parametrize("staged", [True, False])
def test_an_image_is_imported_only_from_where_its_bytes_are(make_image, stage, database, staged):
    image = make_image()
    if not staged:
        stage(image)

    assert not database.transact(lambda tx: staging.begin_import(tx, image.id, staged=staged))


@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_stage_whose_process_was_killed_is_queued_again_at_the_next_start(make_image, images, look, files, tmp_path, at):
    image = make_image()
    url = f"sqlite:///{tmp_path}/images.db"
    command = [sys.executable, "-c", DIES.replace(".run(", ".stage("), url, str(tmp_path / "images"), image.id, str(at)]
    died = subprocess.run(command, check=False, timeout=60, env=dict(os.environ))
    assert (died.returncode, look(image).status) == (-signal.SIGKILL, ImageStatus.UPLOADING)

    images.start()

    assert (look(image).status, files()) == (ImageStatus.QUEUED, [])
