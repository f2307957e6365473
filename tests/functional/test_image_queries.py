"""What is asked of images' tables in every engine's own SQL: tasks in any order, use of images, filters."""

from __future__ import annotations

import uuid

import pytest

from nova_lite.context import Context
from nova_lite.db import image_tasks, image_usage
from nova_lite.db.engine import Database
from nova_lite.db.image_tasks import FIELDS, TaskPage
from nova_lite.db.schema import create_all
from nova_lite.image import records, tasks, usage
from nova_lite.model.image import Image, ImageStatus, Visibility
from nova_lite.workflows import import_image
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.import_image import ImportParams

CALLER = Context(request_id="req-1", user_id="u", project_id="p")


@pytest.fixture
def database(database_url):
    made = Database(database_url)
    if made.dialect == "sqlite":  # those of the servers are migrated once
        create_all(made)
    yield made
    made.dispose()


def add_image(database, **fields):
    now = database.clock.wall()
    image = Image(
        **{
            **{"id": str(uuid.uuid4()), "name": "n", "owner": "p", "status": ImageStatus.QUEUED},
            **{"visibility": Visibility.PRIVATE, "disk_format": "raw", "container_format": "bare"},
            **{"created_at": now, "updated_at": now},
            **fields,
        }
    )
    database.transact(lambda tx: records.create(tx, image))
    return image


def add_tasks(database):
    """Accept three imports, of which one was asked for as a task; their source looks like the mark of that."""
    desk = Desk(database=database, ring=lambda operation_id: None)
    made = []
    for kind in ("api_image_import", "import", "api_image_import"):
        image = add_image(database)
        url = 'http://example.org/"task":"import"'
        params = ImportParams(image_id=image.id, store="file", method="web-download", url=url, task=kind)
        made.append(database.transact(lambda tx, i=image, p=params: import_image.accept(desk, tx, CALLER, i, p)))
    return made


@pytest.mark.parametrize("key", sorted(FIELDS))
@pytest.mark.parametrize("down", [True, False])
def test_pages_of_tasks_follow_each_other_in_any_order(database, key, down):
    add_tasks(database)
    sort = ((key, down), *((name, down) for name in ("created_at", "id") if name != key))

    with database.read() as tx:
        whole = [row["id"] for row in image_tasks.list_tasks(tx, TaskPage(limit=10, sort=sort))]
        paged, marker = [], None
        while page := image_tasks.list_tasks(tx, TaskPage(limit=1, sort=sort, marker=marker)):
            marker = page[0]["id"]
            paged.append(marker)

    assert len(whole) == 3
    assert paged == whole


def test_tasks_are_filtered_by_what_they_show(database):
    first, second, _ = add_tasks(database)

    def found(**equal):
        with database.read() as tx:
            return [task.id for task in tasks.list_page(tx, TaskPage(limit=10, equal=equal))]

    assert found(type="import") == [second]
    assert len(found(type="api_image_import", status="pending")) == 2
    assert found(id=first, owner="p", user_id="u", request_id="req-1") == [first]
    assert found(status="success") == found(owner="q") == []


def test_use_of_images_is_counted_and_summed_up(database):
    image = add_image(database, size_bytes=7, location="file:kept/x", status=ImageStatus.ACTIVE)
    add_image(database, owner="q")
    for at in (10.0, 5.0):
        assert database.transact(lambda tx, at=at: image_usage.add(tx, image.id, 1, 7, at))
    assert not database.transact(lambda tx: image_usage.add(tx, str(uuid.uuid4()), 1, 7, 1.0))

    with database.read() as tx:
        (used,) = usage.list_used(tx, "p")
        sums, everything = image_usage.sums(tx, "p"), usage.list_used(tx)

    assert (used.kept_bytes, used.downloads, used.sent_bytes, used.boots, used.last_used_at) == (7, 2, 14, 0, 10.0)
    assert sums == (2, 14)
    with database.read() as tx:
        assert usage.by_store(tx, ["file", "s3"], "p") == {"file": 7, "s3": 0}
    assert len(everything) == 2
    database.transact(lambda tx: records.delete(tx, image))
    with database.read() as tx:
        assert image_usage.sums(tx, "p") == (0, 0)
