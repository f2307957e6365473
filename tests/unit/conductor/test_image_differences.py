"""Differences between records of images and several stores, of which one may be away."""

from __future__ import annotations

import uuid

import pytest

from nova_lite import errors
from nova_lite.conductor.differences import images as differences
from nova_lite.conductor.differences import library
from nova_lite.conf.image import ImageOptions
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.image import copies, records
from nova_lite.image.copies import Copy, CopyStatus
from nova_lite.image.stores import filesystem
from nova_lite.image.stores.base import key_of
from nova_lite.image.stores.registry import make_stores
from nova_lite.model.image import Image, ImageStatus, Visibility


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/images.db")
    schema.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def stores(tmp_path):
    return make_stores(ImageOptions(store=f"a={(tmp_path / 'a').as_uri()},b={(tmp_path / 'b').as_uri()}"))


@pytest.fixture
def image(database):
    made = Image(
        id=str(uuid.uuid4()), name="i", owner="p", status=ImageStatus.QUEUED, visibility=Visibility.SHARED,
        disk_format="raw", container_format="bare",
    )  # fmt: skip
    database.transact(lambda tx: records.create(tx, made))
    return made


def put(stores, name, image):
    writing = stores.preferring(name).begin(key_of(image.id, str(uuid.uuid4())), None)
    writing.append(b"x")
    location = writing.finalize()
    writing.close()
    return location


@pytest.fixture
def copied(database, stores, image):
    """Record a copy in store b, and give its location."""
    location = put(stores, "b", image)
    owner = str(uuid.uuid4())
    row = Copy(image_id=image.id, store="b", status=CopyStatus.COPYING)

    def work(tx):
        copies.ask(tx, image.id, ["b"])
        copies.begin(tx, row, owner)
        return copies.finish(tx, row, owner, location)

    assert database.transact(work)
    return location


def found(database, stores, kind):
    [wanted] = [one for one in differences.kinds(stores) if one.name == kind]
    return [difference.subject for difference in wanted.look(database)]


def test_a_copy_has_a_name_and_is_missed(database, stores, copied, monkeypatch):
    monkeypatch.setattr(filesystem, "ORPHAN_AGE_S", -3600.0)
    before = found(database, stores, "nameless_file"), found(database, stores, "lost_file")

    stores.delete(copied)

    assert before == ([], [])
    assert found(database, stores, "lost_file") == [copied]


def test_a_nameless_file_is_named_with_its_store(database, stores, image, monkeypatch):
    monkeypatch.setattr(filesystem, "ORPHAN_AGE_S", -3600.0)
    location = put(stores, "b", image)

    assert found(database, stores, "nameless_file") == [f"b/kept/{location.partition(':')[2]}"]


def test_no_transaction_waits_for_a_store(database, stores, image, monkeypatch):
    monkeypatch.setattr(filesystem, "ORPHAN_AGE_S", -3600.0)
    put(stores, "a", image)
    database.transact(lambda tx: records.begin_upload(tx, image.id, str(uuid.uuid4())))
    asked = []

    def watch(name):
        ask = getattr(stores, name)

        def watched(*arguments):
            asked.append((name, database.engine.pool.checkedout()))
            return ask(*arguments)

        monkeypatch.setattr(stores, name, watched)

    for name in ("is_alive", "list_strays", "remove_stray"):
        watch(name)
    kinds = library.of_store(stores)

    mended = [library.mend(database, kind, one, by="a test") for kind, one in library.find(database, kinds)]

    assert mended == [True, True]
    assert {name for name, _ in asked} == {"is_alive", "list_strays", "remove_stray"}
    assert {connections for _, connections in asked} == {0}


def test_nothing_is_said_of_a_store_that_is_away(database, stores, image, copied, monkeypatch):
    upload = str(uuid.uuid4())
    database.transact(lambda tx: records.begin_upload(tx, image.id, upload))
    known = found(database, stores, "cut_upload")

    def away(*_arguments):
        raise errors.Unavailable("away", what="a store")

    for ask in ("is_alive", "size", "list_strays"):
        monkeypatch.setattr(stores.find("b"), ask, away)

    assert known == [image.id]
    assert [found(database, stores, kind) for kind in ("cut_upload", "nameless_file", "lost_file")] == [[], [], []]
