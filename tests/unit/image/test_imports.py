"""Fetches: one at a time an image, its end is told, and whoever dies leaves nothing that the next one minds."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys

import pytest

from nova_lite import errors
from nova_lite.durable import journal
from nova_lite.image import staging
from nova_lite.image.imports import Imports
from nova_lite.image.port import FETCH_FAILED, FetchOrder
from nova_lite.image.stores.base import key_of
from nova_lite.model.ids import OperationId
from nova_lite.model.image import ImageStatus
from nova_lite.workflows.import_image import IMPORT, ImportParams

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
