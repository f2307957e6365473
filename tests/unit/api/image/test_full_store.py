"""A store without room, as a client sees it."""

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
def client(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/images.db")
    schema.create_all(database)
    store = FilesystemStore(tmp_path / "images", free_bytes=lambda folder: 100)
    images = Images(database, store, Tickets(tmp_path / "key"), "http://cloud.test")
    parts = Parts(database=database, tokens=Anybody(), policy=Policy(), images=images)
    yield falcon.testing.TestClient(make_app(parts, ["image"]), headers={"X-Auth-Token": "any"})
    database.dispose()


@pytest.mark.parametrize("accept", ["application/json", "*/*"])
def test_an_upload_that_does_not_fit_is_507_and_the_image_waits_for_another(client, accept):
    body = {"disk_format": "raw", "container_format": "bare"}
    image = client.simulate_post("/image/v2/images", json=body).json["id"]
    headers = {"Content-Type": "application/octet-stream", "Accept": accept}

    full = client.simulate_put(f"/image/v2/images/{image}/file", body=bytes(101), headers=headers)
    fits = client.simulate_put(f"/image/v2/images/{image}/file", body=bytes(100), headers=headers)

    assert full.status_code == 507
    assert "The image store is full: 100 bytes are free, 101 are needed." in full.text
    assert fits.status_code == 204


def test_a_list_takes_four_statements_at_most(client, monkeypatch):
    from nova_lite.db.engine import Tx

    for number in range(30):
        client.simulate_post("/image/v2/images", json={"name": f"n{number}", "tags": ["a"]})
    first = client.simulate_get("/image/v2/images?limit=10").json
    statements, execute = [], Tx.execute

    def counted(self, statement, parameters=None):
        statements.append(str(statement))
        return execute(self, statement, parameters)

    monkeypatch.setattr(Tx, "execute", counted)
    second = client.simulate_get(f"/image{first['next']}").json

    assert len(second["images"]) == 10
    assert len(statements) <= 4
