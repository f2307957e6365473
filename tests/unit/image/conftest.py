"""An image service with a database and a store of its own, and ways to make images."""

from __future__ import annotations

import hashlib
import io
import uuid

import pytest

from nova_lite.clock import SystemClock
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.image import records
from nova_lite.image.access import ANYTHING
from nova_lite.image.service import Images
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.tickets import Tickets, ensure_key, key_file
from nova_lite.image.upload import Order
from nova_lite.model.image import Image, ImageStatus, Visibility


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/images.db", SystemClock())
    schema.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def store(tmp_path):
    return FilesystemStore(tmp_path / "images")


@pytest.fixture
def images(database, store, tmp_path):
    ensure_key(key_file(tmp_path))
    return Images(database, store, Tickets(key_file(tmp_path)), "http://cloud.test")


@pytest.fixture
def make_image(database):
    """Give the function that records a queued image."""

    def make(**changes):
        fields = {
            "id": str(uuid.uuid4()),
            "name": "tiny",
            "owner": "p",
            "status": ImageStatus.QUEUED,
            "visibility": Visibility.SHARED,
            "disk_format": "raw",
            "container_format": "bare",
            "created_at": database.clock.wall(),
            "updated_at": database.clock.wall(),
        }
        image = Image(**(fields | changes))
        database.transact(lambda tx: records.create(tx, image))
        return image

    return make


@pytest.fixture
def look(database):
    """Give the function that reads an image."""

    def read(image):
        with database.read() as tx:
            return records.get(tx, image.id, ANYTHING)

    return read


def order(image, data, **more):
    return Order(image_id=image.id, read=io.BytesIO(data).read, **more)


def sha512(data):
    return hashlib.sha512(data).hexdigest()


@pytest.fixture
def upload(images):
    return lambda image, data, **more: images.upload(order(image, data, **more))


@pytest.fixture
def files(tmp_path):
    """Give the function that lists what the store holds."""
    return lambda: sorted(path.name for path in (tmp_path / "images").rglob("*") if path.is_file())
