"""Fetches: one at a time an image, its end is told, and whoever dies leaves nothing that the next one minds."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import signal
import subprocess
import sys

import pytest
from unit.image.archives import archive, descriptor

from nova_lite import errors
from nova_lite.durable import journal
from nova_lite.image import records, staging
from nova_lite.image.convert import Converter
from nova_lite.image.imports import Imports
from nova_lite.image.port import FETCH_FAILED, FetchOrder
from nova_lite.image.stores.base import key_of
from nova_lite.image.upload import Order
from nova_lite.model.ids import OperationId
from nova_lite.model.image import ImageStatus
from nova_lite.workflows.import_image import IMPORT, IMPORT_CONVERTED, ImportParams

DATA = b"0123456789" * 1000


DIES = """
import os, signal, sys
from pathlib import Path
from nova_lite.db.engine import Database
from nova_lite.image.imports import Imports
from nova_lite.image.port import FetchOrder
from nova_lite.image.stores.filesystem import FilesystemStore

class WebFile:
    length = None
    calls = 0

    def read(self, size):
        self.calls += 1
        if self.calls == int(sys.argv[5]):
            os.kill(os.getpid(), signal.SIGKILL)
        return bytes(1000)

    def close(self):
        pass

store = FilesystemStore(Path(sys.argv[2]))
imports = Imports(Database(sys.argv[1]), store, lambda url: WebFile(), spawn=lambda work: work())
imports.ensure_contents(FetchOrder(image_id=sys.argv[3], operation_id=sys.argv[4], turn=1, url="http://web.test/"))
"""


class WebFile(io.BytesIO):
    length = len(DATA)


@pytest.fixture
def importing(make_image, database):
    """Give an image that is being imported, and the order of its fetch."""
    image = make_image()
    database.transact(lambda tx: staging.begin_import(tx, image.id, staged=False))
    operation = journal.NewOperation(
        workflow=IMPORT, subject_kind="image", subject_id=image.id, params=ImportParams(image_id=image.id, store="file", method="m"),
        project_id="p", user_id="u", request_id="r",
    )  # fmt: skip
    operation_id = database.transact(lambda tx: journal.accept(tx, operation))
    return image, FetchOrder(image_id=image.id, operation_id=OperationId(operation_id), turn=1, url="http://web.test/")


@pytest.fixture
def make_imports(database, store):
    def make(open_url, spawn=lambda work: work()):
        return Imports(database, store, open_url, spawn=spawn)

    return make


def told(database, order):
    with database.read() as tx:
        return [signal.body for signal in journal.signals_of(tx, order.operation_id) if signal.name == FETCH_FAILED]


def raising(error):
    def open_url(_url):
        raise error

    return open_url


def test_what_was_fetched_is_there_when_asked_again(importing, make_imports, files, look):
    image, order = importing
    imports = make_imports(lambda _url: WebFile(DATA))

    before, after = imports.ensure_contents(order), imports.ensure_contents(order)

    assert (before, after) == (False, True)
    assert look(image).status is ImageStatus.IMPORTING
    assert len(files()) == 1


@pytest.mark.parametrize(("error", "again"), [(errors.BadRequest("404"), False), (errors.Unavailable("away"), True)])
def test_a_failure_is_told_once_with_whether_to_try_again(importing, make_imports, database, files, error, again):
    _, order = importing

    make_imports(raising(error)).ensure_contents(order)

    [body] = told(database, order)
    assert (body["turn"], body["again"], files()) == (1, again, [])


def test_an_unexpected_end_is_told_too(importing, make_imports, database):
    _, order = importing

    with pytest.raises(RuntimeError):
        make_imports(raising(RuntimeError("bug"))).ensure_contents(order)

    assert told(database, order)[0]["again"] is False


def test_a_lying_length_leaves_nothing(importing, make_imports, database, files):
    _, order = importing
    short = WebFile(DATA[:-1])

    make_imports(lambda _url: short).ensure_contents(order)

    assert "announced" in told(database, order)[0]["message"]
    assert files() == []


def test_a_fetch_of_another_process_is_not_begun_twice(importing, make_imports, database, store, files):
    image, order = importing
    other = "00000000-0000-0000-0000-000000000009"
    writing = store.begin(key_of(image.id, other), None)
    database.transact(lambda tx: staging.begin_fetch(tx, image.id, other, None))
    asked = []

    make_imports(asked.append).ensure_contents(order)
    writing.close()  # that process died
    make_imports(lambda _url: WebFile(DATA)).ensure_contents(order)

    assert asked == []
    assert len(files()) == 1
    assert not told(database, order)


def test_a_fetch_whose_image_went_to_another_says_nothing_and_leaves_nothing(importing, make_imports, database, files):
    image, order = importing
    waiting = []
    imports = make_imports(lambda _url: WebFile(DATA), waiting.append)
    imports.ensure_contents(order)
    database.transact(lambda tx: staging.begin_fetch(tx, image.id, "00000000-0000-0000-0000-000000000009", None))

    waiting[0]()

    assert (told(database, order), files()) == ([], [])


def test_a_delete_while_it_is_fetched_leaves_nothing(importing, make_imports, images, database, files):
    image, order = importing
    waiting = []
    make_imports(lambda _url: WebFile(DATA), waiting.append).ensure_contents(order)
    database.transact(lambda tx: images.delete(tx, image))

    waiting[0]()

    assert (told(database, order), files()) == ([], [])


def test_an_image_is_fetched_once_at_a_time_in_a_process(importing, make_imports):
    _, order = importing
    waiting = []
    imports = make_imports(lambda _url: WebFile(DATA), waiting.append)

    imports.ensure_contents(order)
    imports.ensure_contents(order)

    assert len(waiting) == 1


def test_dropping_contents_may_be_repeated(importing, make_imports, files):
    image, order = importing
    imports = make_imports(lambda _url: WebFile(DATA))
    imports.ensure_contents(order)

    imports.drop_contents(image.id)
    imports.drop_contents(image.id)

    assert files() == []


@pytest.mark.parametrize("at", [1, 3])
def test_a_fetch_whose_process_was_killed_is_begun_anew(importing, make_imports, images, files, tmp_path, at):
    image, order = importing
    arguments = [f"sqlite:///{tmp_path}/images.db", str(tmp_path / "images"), image.id, order.operation_id, str(at)]
    died = subprocess.run([sys.executable, "-c", DIES, *arguments], check=False, timeout=60, env=dict(os.environ))
    assert (died.returncode, len(files())) == (-signal.SIGKILL, 1)

    images.start()
    left = files()
    imports = make_imports(lambda _url: WebFile(DATA))
    imports.ensure_contents(order)

    assert left == []
    assert imports.ensure_contents(order)
    assert len(files()) == 1


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    path = tmp_path_factory.mktemp("disk") / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", path, "2M"], check=True, timeout=60)
    return path.read_bytes()


@pytest.fixture
def staged(make_image, images, database, disk):
    """Give the function that stages a disk, begins its import to another format, and gives the order."""

    def stage(data=disk, **changes):
        image = make_image(**({"disk_format": "vmdk"} | changes))
        images.stage(Order(image_id=image.id, read=io.BytesIO(data).read))
        database.transact(lambda tx: staging.begin_import(tx, image.id, staged=True))
        params = ImportParams(image_id=image.id, store="file", method="m", convert_to="qcow2")
        operation = journal.NewOperation(
            workflow=IMPORT_CONVERTED, subject_kind="image", subject_id=image.id, params=params,
            project_id="p", user_id="u", request_id="r",
        )  # fmt: skip
        operation_id = database.transact(lambda tx: journal.accept(tx, operation))
        return image, FetchOrder(image_id=image.id, operation_id=OperationId(operation_id), turn=1, convert_to="qcow2")

    return stage


@pytest.fixture
def converting(database, store, tmp_path):
    """Give an `Imports` with the real qemu-img."""
    return Imports(database, store, None, spawn=lambda work: work(), converter=Converter(tmp_path / "scratch"))


def test_a_staged_disk_is_converted_beside_itself_and_adopted(staged, converting, database, look, files, images):
    image, order = staged()

    before, after = converting.ensure_converted(order), converting.ensure_converted(order)
    both = files()
    with database.read() as tx:
        known, left = records.locations(tx), staging.superseded(tx, image.id)
    database.transact(lambda tx: staging.adopt(tx, image.id))
    converting.discard(left)

    assert (before, after, len(both), len(known), len(files())) == (False, True, 2, 2, 1)
    found = look(image)
    assert (found.disk_format, found.container_format, found.virtual_size_bytes) == ("qcow2", "bare", 2 << 20)
    data = images.open(found, 0, found.size_bytes).read()
    assert (hashlib.sha512(data).hexdigest(), len(data)) == (found.sha512, found.size_bytes)


def test_the_disk_in_an_archive_becomes_one_of_its_own(staged, converting, database, look, disk):
    data = archive(("vm.ovf", descriptor("disk.vmdk")), ("disk.vmdk", disk))
    image, order = staged(data, container_format="ova")

    converting.ensure_converted(order)
    database.transact(lambda tx: staging.adopt(tx, image.id))

    found = look(image)
    assert (found.disk_format, found.container_format, found.virtual_size_bytes) == ("qcow2", "bare", 2 << 20)


def test_a_conversion_that_fails_is_told_and_leaves_what_was_staged(staged, database, store, tmp_path, files):
    _, order = staged()
    converter = Converter(tmp_path / "scratch", program="false")

    Imports(database, store, None, spawn=lambda work: work(), converter=converter).ensure_converted(order)

    [body] = told(database, order)
    assert (body["again"], len(files())) == (False, 1)
    assert "convert" in body["message"]


def test_a_disk_that_is_over_the_limit_of_its_project_when_it_is_raw_is_refused(staged, converting, database, monkeypatch):
    _, order = staged()
    asked = []
    monkeypatch.setattr("nova_lite.image.quotas.require", lambda _tx, owner, wanted: asked.append((owner, wanted)))

    converting.ensure_converted(dataclasses.replace(order, convert_to="raw"))

    assert asked == [("p", {"image_size_total": 2})]


def test_dropping_what_was_converted_may_be_repeated_and_keeps_what_was_staged(staged, converting, files):
    image, order = staged()
    converting.ensure_converted(order)

    converting.drop_converted(image.id)
    converting.drop_converted(image.id)

    assert len(files()) == 1
    assert converting.ensure_converted(order) is False
    assert len(files()) == 2


def test_a_delete_takes_what_was_converted_too(staged, converting, images, database, files):
    image, order = staged()
    converting.ensure_converted(order)

    database.transact(lambda tx: images.delete(tx, image))

    assert files() == []


def test_without_contents_nothing_is_converted(importing, converting):
    _, order = importing

    with pytest.raises(errors.Conflict):
        converting.ensure_converted(dataclasses.replace(order, convert_to="raw"))
