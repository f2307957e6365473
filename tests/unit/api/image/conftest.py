"""The Image API in process, with a store of its own and a member who is let in by any token."""

from __future__ import annotations

import falcon.testing
import pytest

from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.context import Context
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.identity.policy import Policy
from nova_lite.image.service import Images
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.tickets import Tickets


class Anybody:
    """Takes every token."""

    def check(self, token, request_id, call=None):
        return Context(request_id=request_id, user_id="u", project_id="p", roles=frozenset({"member", "reader"}))


@pytest.fixture
def api(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/api.db")
    schema.create_all(database)
    images = Images(database, FilesystemStore(tmp_path / "store"), Tickets(tmp_path / "key"), "http://cloud.test")
    parts = Parts(database=database, tokens=Anybody(), policy=Policy(), images=images)
    yield falcon.testing.TestClient(make_app(parts, ["image"]), headers={"X-Auth-Token": "any"})
    database.dispose()


@pytest.fixture
def queued(api):
    """Give the function that makes an image without data, and its file's path."""

    def make(**fields):
        body = {"disk_format": "raw", "container_format": "bare"} | fields
        return f"/image/v2/images/{api.simulate_post('/image/v2/images', json=body).json['id']}/file"

    return make
