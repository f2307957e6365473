"""Copies: made whole or not at all, of bytes that are what was recorded; read from wherever they can be had."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.durable import journal
from nova_lite.image import copies, records, staging
from nova_lite.image.access import ANYTHING
from nova_lite.image.copies import CopyStatus
from nova_lite.image.imports import Imports
from nova_lite.image.port import CopyOrder
from nova_lite.image.service import Images
from nova_lite.image.stores import filesystem
from nova_lite.image.stores.base import key_of
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.stores.several import Stores
from nova_lite.image.tickets import Tickets, ensure_key, key_file
from nova_lite.workflows.import_image import COPY, IMPORT, ImportParams

DATA = b"0123456789" * 1000
OTHER = "00000000-0000-0000-0000-000000000009"


class Breakable(FilesystemStore):
    """A store that may be away, or give other bytes than it got."""

    away = full = False
    opened = 0

    def begin(self, key, expected_bytes):
        if self.full:
            raise errors.InsufficientStorage("full")
        self._require_there()
        return super().begin(key, expected_bytes)

    def open(self, location, start, length):
        self._require_there()
        self.opened += 1
        return super().open(location, start, length)

    def _require_there(self):
        if self.away:
            raise errors.Unavailable("away", what="a store")


@pytest.fixture
def stores(tmp_path):
    return {name: Breakable(tmp_path / "images" / name, name=name) for name in ("a", "b", "c")}


@pytest.fixture
def store(stores):
    return Stores(tuple(stores.values()))


@pytest.fixture
def images(database, store, tmp_path):
    ensure_key(key_file(tmp_path))
    return Images(database, store, Tickets(key_file(tmp_path)), "http://cloud.test")


@pytest.fixture
def held(database):
    """Give the function that tells where an image is."""

    def read(image):
        with database.read() as tx:
            return copies.holders(records.get(tx, image.id, ANYTHING), copies.of_image(tx, image.id))

    return read


@pytest.fixture
def statuses(database):
    def read(image):
        with database.read() as tx:
            return {copy.store: copy.status.value for copy in copies.of_image(tx, image.id)}

    return read


@pytest.fixture
def copying(make_image, upload, database):
    """Give an active image whose copies were asked for, and the order of them."""
    image = make_image()
    upload(image, DATA)
    stores = ("b", "c")
    params = ImportParams(image_id=image.id, store="b", others=("c",), method=COPY)
    operation = journal.NewOperation(
        workflow=IMPORT, subject_kind="image", subject_id=image.id, params=params, project_id="p", user_id="u", request_id="r"
    )
    database.transact(lambda tx: copies.ask(tx, image.id, stores))
    operation_id = database.transact(lambda tx: journal.accept(tx, operation))
    return image, CopyOrder(image_id=image.id, operation_id=operation_id, stores=stores)


@pytest.fixture
def make_imports(database, store):
    def make(spawn=lambda work: work()):
        return Imports(database, store, lambda _url: None, spawn=spawn)

    return make


def settle(imports, order, times=8):
    for _ in range(times):
        now = imports.ensure_copies(order)
        if not now.running:
            return now
    raise AssertionError("it does not end")


def read(images, image):
    file = images.open(image, 0, image.size_bytes)
    try:
        return file.read()
    finally:
        file.close()


def test_copies_are_made_in_each_store(copying, make_imports, held, look, stores):
    image, order = copying

    now = settle(make_imports(), order)

    assert (now.failed, now.there) == ((), ("b", "c"))
    places = held(image)
    assert set(places) == {"a", "b", "c"}
    assert all(stores[name].size(place) == len(DATA) for name, place in places.items())


def test_a_copy_of_damaged_bytes_fails_and_leaves_nothing(copying, make_imports, held, statuses, files, tmp_path):
    image, order = copying
    [path] = [path for path in (tmp_path / "images").rglob("*") if path.is_file()]
    path.write_bytes(DATA[:-1] + b"!")

    now = settle(make_imports(), order)

    assert now.failed == ("b", "c")
    assert statuses(image) == {"b": "failed", "c": "failed"}
    assert len(files()) == 1


def test_a_copy_is_made_of_another_where_one_has_other_bytes(copying, make_imports, held, stores, tmp_path):
    image, order = copying
    imports = make_imports()
    settle(imports, CopyOrder(image_id=image.id, operation_id=order.operation_id, stores=("b",)))
    [path] = [path for path in (tmp_path / "images" / "a").rglob("*") if path.is_file()]
    path.write_bytes(DATA[:-1] + b"!")

    now = settle(imports, order)

    assert (now.failed, now.there) == ((), ("b", "c"))
    assert stores["b"].opened == 1
    [copied] = [path for path in (tmp_path / "images" / "c").rglob("*") if path.is_file()]
    assert copied.read_bytes() == DATA


def test_a_copy_goes_on_where_a_store_ends_in_the_middle(copying, make_imports, stores, tmp_path):
    image, order = copying
    imports = make_imports()
    settle(imports, CopyOrder(image_id=image.id, operation_id=order.operation_id, stores=("b",)))
    [path] = [path for path in (tmp_path / "images" / "a").rglob("*") if path.is_file()]
    path.write_bytes(DATA[:4321])

    assert settle(imports, order).failed == ()
    [copied] = [path for path in (tmp_path / "images" / "c").rglob("*") if path.is_file()]
    assert copied.read_bytes() == DATA


def test_a_full_store_fails_at_once_and_one_that_is_away_after_some_tries(copying, make_imports, statuses, stores, files):
    image, order = copying
    stores["b"].full, stores["c"].away = True, True
    imports = make_imports()

    first = imports.ensure_copies(order)
    after_one = statuses(image)
    last = settle(imports, order)

    assert first.running == ("b", "c")
    assert after_one == {"b": "failed", "c": "copying"}
    assert last.failed == ("b", "c")
    assert len(files()) == 1


def test_a_store_that_comes_back_gets_its_copy(copying, make_imports, held, stores):
    image, order = copying
    stores["c"].away = True
    imports = make_imports()
    imports.ensure_copies(order)
    stores["c"].away = False

    settle(imports, order)

    assert set(held(image)) == {"a", "b", "c"}


def test_bytes_are_read_from_another_copy_where_one_store_is_away(copying, make_imports, images, look, stores):
    image, order = copying
    settle(make_imports(), order)
    stores["a"].away = stores["b"].away = True

    assert read(images, look(image)) == DATA
    assert stores["c"].opened == 1


def test_without_any_store_an_image_is_unavailable_not_gone(copying, make_imports, images, look, stores):
    image, order = copying
    settle(make_imports(), order)
    images.store.delete(look(image).location)
    for one in ("b", "c"):
        stores[one].away = True

    with pytest.raises(errors.Unavailable):
        read(images, look(image))


def test_a_copy_is_made_of_whichever_copy_can_be_read(copying, make_imports, held, stores, database):
    image, order = copying
    imports = make_imports()
    settle(imports, CopyOrder(image_id=image.id, operation_id=order.operation_id, stores=("b",)))
    stores["a"].away = True

    settle(imports, order)

    assert set(held(image)) == {"a", "b", "c"}
    assert stores["b"].opened == 1


def test_a_copy_of_another_process_is_not_begun_twice(copying, make_imports, database, store, statuses, files):
    image, order = copying
    order = CopyOrder(image_id=image.id, operation_id=order.operation_id, stores=("b",))
    writing = store.preferring("b").begin(key_of(image.id, OTHER), None)
    with database.read() as tx:
        [copy, _] = copies.of_image(tx, image.id)
    database.transact(lambda tx: copies.begin(tx, copy, OTHER))

    make_imports().ensure_copies(order)
    while_alive = statuses(image)["b"]
    writing.close()  # that process died
    settle(make_imports(), order)

    assert while_alive == "copying"
    assert statuses(image)["b"] == "ready"
    assert len(files()) == 2


def test_an_image_deleted_while_it_is_copied_leaves_nothing(copying, make_imports, images, database, look, files):
    image, order = copying
    waiting = []
    make_imports(waiting.append).ensure_copies(order)
    database.transact(lambda tx: images.delete(tx, look(image)))

    for work in waiting:
        work()

    assert files() == []


def test_dropped_copies_are_gone_also_those_that_run_and_may_be_dropped_again(copying, make_imports, held, files):
    image, order = copying
    imports, waiting = make_imports(), []
    settle(imports, CopyOrder(image_id=image.id, operation_id=order.operation_id, stores=("b",)))
    make_imports(waiting.append).ensure_copies(order)

    imports.drop_copies(image.id, order.stores)
    imports.drop_copies(image.id, order.stores)

    assert set(held(image)) == {"a"}
    assert len(files()) == 1


def test_a_writer_that_lost_its_copy_may_not_finish_it(copying, database, statuses):
    image, _ = copying
    with database.read() as tx:
        [copy, _] = copies.of_image(tx, image.id)
    database.transact(lambda tx: copies.begin(tx, copy, OTHER))
    database.transact(lambda tx: copies.take_back(tx, image.id, ("b",)))

    finished = database.transact(lambda tx: copies.finish(tx, copy, OTHER, "b:x"))

    assert not finished
    assert statuses(image)["b"] == CopyStatus.COPYING


def test_an_image_without_data_is_not_copied(make_image, make_imports):
    image = make_image()

    with pytest.raises(errors.Conflict):
        make_imports().ensure_copies(CopyOrder(image_id=image.id, operation_id="o", stores=("b",)))


@pytest.mark.parametrize("gone", ["a", "b"])
def test_one_copy_is_deleted_and_the_others_stay(copying, make_imports, images, database, look, held, files, gone):
    image, order = copying
    settle(make_imports(), order)

    deleted = database.transact(lambda tx: images.delete_copy(tx, look(image), gone))

    assert deleted
    assert set(held(image)) == {"a", "b", "c"} - {gone}
    assert read(images, look(image)) == DATA
    assert len(files()) == 2


def test_the_last_copy_and_one_that_is_not_there_are_not_deleted(make_image, upload, images, database, look, files):
    image = make_image()
    upload(image, DATA)

    assert not database.transact(lambda tx: images.delete_copy(tx, look(image), "a"))
    assert not database.transact(lambda tx: images.delete_copy(tx, look(image), "b"))
    assert len(files()) == 1


def test_copies_have_a_name_that_a_sweep_knows(copying, make_imports, images, files, monkeypatch):
    monkeypatch.setattr(filesystem, "ORPHAN_AGE_S", -3600.0)
    _, order = copying
    settle(make_imports(), order)

    images.start()

    assert len(files()) == 3


def test_a_start_sweeps_other_stores_while_one_is_away(make_image, images, store, stores, database, files, monkeypatch):
    monkeypatch.setattr(filesystem, "ORPHAN_AGE_S", -3600.0)
    image = make_image()
    database.transact(lambda tx: records.begin_upload(tx, image.id, OTHER))
    writing = store.preferring("b").begin(key_of(image.id, image.id), None)
    writing.finalize()
    writing.close()

    def away(_key):
        raise errors.Unavailable("away", what="a store")

    monkeypatch.setattr(stores["c"], "is_alive", away)
    images.start()

    assert files() == []
    with database.read() as tx:
        assert records.upload_of(tx, image.id) == OTHER  # it may live in the store that is away


def test_what_tells_of_imports_is_no_property_of_the_user(make_image, database, look):
    full = {f"p{number}": "v" for number in range(records.MOST_PROPERTIES)}
    image = make_image(properties=full)
    database.transact(lambda tx: staging.note_failed(tx, image.id, "b"))

    database.transact(lambda tx: records.add_tag(tx, look(image), "still"))

    assert look(image).tags == ("still",)
