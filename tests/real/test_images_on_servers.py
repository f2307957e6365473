"""The image registry on PostgreSQL and MariaDB: filters, pages, names taken at once, uploads at once."""

from __future__ import annotations

import dataclasses
import io
import threading
import uuid

import pytest

from nova_lite import errors
from nova_lite.db.images import Comparison, ImageFilter, ImagePage
from nova_lite.image import members, records
from nova_lite.image.access import ANYTHING, Viewer
from nova_lite.image.parts import Part, Parts, Sender
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.upload import Order, Uploads
from nova_lite.model.image import Image, ImageStatus, Visibility


def image(number, **changes):
    fields = {
        "id": str(uuid.UUID(int=number)),
        "name": f"image {number}",
        "owner": "p",
        "status": ImageStatus.QUEUED,
        "visibility": Visibility.SHARED,
        "disk_format": "raw",
        "container_format": "bare",
        "created_at": 1000.5 + number,
        "updated_at": 1000.5 + number,
    }
    return Image(**(fields | changes))


def put(database, *images):
    for one in images:
        database.transact(lambda tx, one=one: records.create(tx, one))


def names(database, **wanted):
    with database.read() as tx:
        return [one.name for one in records.list_page(tx, ImageFilter(**({"project_id": "p"} | wanted)), ImagePage())]


def test_an_image_comes_back_as_it_was_written(database):
    whole = image(1, name="grün ☃", tags=("a", "ß"), properties={"colour": "red", "ключ": "значение"}, protected=True)
    put(database, whole)

    with database.read() as tx:
        assert records.get(tx, whole.id, ANYTHING) == whole


def test_filters(database):
    put(
        database,
        image(1, properties={"colour": "red", "a": 'x","colour":"blue'}, tags=("x",)),
        image(2, properties={"colour": "Red"}, tags=("x", "y"), size_bytes=5),
        image(3, owner="q", visibility=Visibility.COMMUNITY),
        image(4, owner="q", visibility=Visibility.PUBLIC),
        image(5, owner="q"),
    )

    assert names(database) == ["image 4", "image 2", "image 1"]
    assert names(database, visibility="all") == ["image 4", "image 3", "image 2", "image 1"]
    assert names(database, properties={"colour": "red"}) == ["image 1"]
    assert names(database, properties={"colour": "blue"}) == []
    assert names(database, tags=("x", "y")) == ["image 2"]
    assert names(database, bounds=(Comparison(column="size_bytes", operator="gte", value=5),)) == ["image 2"]
    assert names(database, bounds=(Comparison(column="created_at", operator="eq", value=1001),)) == ["image 1"]
    assert names(database, among={"name": ("image 1", "image 3")}) == ["image 1"]
    assert names(database, equal={"hidden": True}) == []
    assert len(names(database, sees_all=True, visibility="all")) == 5


def test_a_shared_image_is_listed_when_it_was_accepted(database):
    one = image(1)
    put(database, one)
    database.transact(lambda tx: members.add(tx, one, "q"))

    before = names(database, project_id="q")
    database.transact(lambda tx: members.set_status(tx, one, "q", "accepted"))

    assert (before, names(database, project_id="q")) == ([], ["image 1"])


def test_pages_follow_each_other(database):
    put(database, *(image(number, name=None if number % 3 else f"n{number % 2}") for number in range(1, 10)))
    sort = (("name", False), ("created_at", True), ("id", True))

    with database.read() as tx:
        whole = [one.id for one in records.list_page(tx, ImageFilter(project_id="p"), ImagePage(sort=sort))]
        pieces, marker = [], None
        while page := records.list_page(tx, ImageFilter(project_id="p"), ImagePage(sort=sort, marker=marker, limit=2)):
            pieces += [one.id for one in page]
            marker = page[-1].id

    assert (pieces, len(set(pieces))) == (whole, 9)


def test_of_many_who_take_an_id_one_succeeds(database):
    outcomes = []

    def work():
        try:
            put(database, image(1))
            outcomes.append("made")
        except errors.Conflict:
            outcomes.append("taken")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(outcomes) == ["made"] + ["taken"] * 5


def test_changes_at_once_are_all_kept(database):
    put(database, image(1))

    def work(number):
        def change(tx):
            found = records.get(tx, image(1).id, Viewer(project_id="p"), lock=True)
            added = dataclasses.replace(
                found, properties={**found.properties, f"p{number}": "v"}, tags=(*found.tags, f"t{number}")
            )
            return records.update(tx, found, added)

        database.transact(change)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    with database.read() as tx:
        found = records.get(tx, image(1).id, ANYTHING)
    assert (len(found.properties), len(found.tags)) == (8, 8)


def test_of_uploads_at_once_one_succeeds_and_a_delete_takes_all(database, tmp_path):
    put(database, image(1))
    uploads, failures = Uploads(database, FilesystemStore(tmp_path)), []

    def work():
        try:
            uploads.run(Order(image_id=image(1).id, read=io.BytesIO(b"hello").read))
        except errors.Conflict as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    with database.read() as tx:
        found = records.get(tx, image(1).id, ANYTHING)
    assert (found.status, found.size_bytes, len(failures)) == (ImageStatus.ACTIVE, 5, 5)
    database.transact(lambda tx: members.add(tx, found, "q"))
    database.transact(lambda tx: records.delete(tx, found))
    with database.read() as tx, pytest.raises(errors.NotFound):
        records.get(tx, found.id, ANYTHING)


def test_parts_make_an_image_and_a_sender_who_was_overtaken_loses_it(database, tmp_path):
    put(database, image(1))
    store = FilesystemStore(tmp_path)
    uploads = Uploads(database, store)
    parts, me = Parts(database, store, uploads), Sender(user_id="me", project_id="p")
    one = image(1)

    def send(start, end, read):
        return parts.take(Part(image_id=one.id, sender=me, start=start, end=end, total=1000, read=read))

    def overtaken(size):
        with database.read() as tx:
            upload_id = records.upload_of(tx, one.id)
        database.transact(lambda tx: records.give_up_upload(tx, one.id, upload_id))
        uploads.run(Order(image_id=one.id, read=io.BytesIO(b"whole").read))
        return bytes(size)

    halves = send(0, 600, bytes), parts.ask(one.id, me, total=1000)
    with pytest.raises(errors.Conflict):
        send(500, 1000, bytes)
    with pytest.raises(errors.Gone):
        send(600, 1000, overtaken)

    assert [half.received for half in halves] == [600, 600]
    with database.read() as tx:
        assert records.get(tx, one.id, ANYTHING).size_bytes == 5
        assert records.kept(tx) == records.locations(tx)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
