"""Images whose bytes others stand on: refused to be deleted by each of the ways, and not for longer than that."""

from __future__ import annotations

import uuid

import falcon.testing
import orjson
import pytest

from nova_lite import errors
from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.context import Context
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.identity.policy import Policy
from nova_lite.image import copies
from nova_lite.image.service import Images
from nova_lite.image.stores.base import key_of
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.stores.several import Stores
from nova_lite.image.tickets import Tickets, ensure_key
from nova_lite.workflows.desk import Desk


class Lending(FilesystemStore):
    """Files of which clones could be made."""

    state = "unused"

    def require_unused(self, location):
        if self.state == "cloned":
            raise errors.Conflict("It is in use.")
        if self.state == "away":
            raise errors.Unavailable("away")

    def url_of(self, location):
        return f"lent://here/{location.partition(':')[2]}"


class Anybody:
    """Takes every token; `admin` and `other` are somebody's."""

    def check(self, token, request_id, call=None):
        roles = frozenset({"member", "reader"} | ({"admin"} if token == "admin" else set()))
        return Context(request_id=request_id, user_id="u", project_id="q" if token == "other" else "p", roles=roles)


@pytest.fixture
def lending(tmp_path):
    return Lending(tmp_path / "lent", name="ceph")


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/images.db")
    schema.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def images(database, lending, tmp_path):
    key = tmp_path / "key"
    ensure_key(key)
    stores = Stores([lending, FilesystemStore(tmp_path / "files", name="file")])
    return Images(database, stores, Tickets(key), "http://cloud.test")


@pytest.fixture
def ask(database, images):
    desk = Desk(database=database, ring=lambda operation_id: None)
    parts = Parts(database=database, tokens=Anybody(), policy=Policy(), images=images, desk=desk)
    client = falcon.testing.TestClient(make_app(parts, ["image", "compute"]))

    def send(method, path, body=None, *, status, token="any", data=None, kind="application/octet-stream"):
        headers = {"X-Auth-Token": token} | ({} if data is None else {"Content-Type": kind})
        content = {"json": body} if data is None else {"body": data}
        answer = client.simulate_request(method, path, headers=headers, **content)
        assert answer.status_code == status, answer.text
        return answer

    return send


@pytest.fixture
def image(ask):
    made = ask("POST", "/image/v2/images", {"disk_format": "raw", "container_format": "bare"}, status=201).json["id"]
    ask("PUT", f"/image/v2/images/{made}/file", data=b"bytes", status=204)
    return made


@pytest.fixture
def ways(image):
    return [f"/image/v2/images/{image}", f"/compute/v2.1/images/{image}"]


def test_a_cloned_image_is_not_deleted_and_keeps_its_bytes(ask, lending, image, ways):
    lending.state = "cloned"

    for way in ways:
        assert image in ask("DELETE", way, status=409).text

    assert ask("GET", f"/image/v2/images/{image}/file", status=200).content == b"bytes"
    lending.state = "unused"
    ask("DELETE", ways[0], status=204)


@pytest.mark.parametrize("number", [0, 1])
def test_a_store_that_is_away_does_not_hold_a_deletion_up(ask, lending, ways, number):
    lending.state = "away"

    ask("DELETE", ways[number], status=204)


def test_who_may_not_delete_hears_that_and_not_of_clones(ask, lending, image, ways):
    lending.state = "cloned"

    ask("DELETE", ways[0], token="other", status=404)
    protect = orjson.dumps([{"op": "replace", "path": "/protected", "value": True}])
    ask("PATCH", f"/image/v2/images/{image}", data=protect, kind="application/openstack-images-v2.1-json-patch", status=200)
    ask("DELETE", ways[0], status=403)


def copy_to_files(database, images, image):
    """Have a copy in the other store."""
    writing = images.store.preferring("file").begin(key_of(image, str(uuid.uuid4())), None)
    writing.append(b"bytes")
    row = copies.Copy(image_id=image, store="file", status=copies.CopyStatus.COPYING)
    location = writing.finalize()
    writing.close()

    def record(tx):
        copies.ask(tx, image, ["file"])
        assert copies.begin(tx, row, "u")
        assert copies.finish(tx, row, "u", location)

    database.transact(record)


def test_a_copy_is_refused_where_it_is_cloned_and_nowhere_else(ask, lending, database, images, image):
    copy_to_files(database, images, image)
    lending.state = "cloned"

    ask("DELETE", f"/image/v2/stores/ceph/{image}", token="admin", status=409)
    ask("DELETE", f"/image/v2/stores/file/{image}", token="admin", status=204)
    ask("DELETE", f"/image/v2/stores/ceph/{image}", token="admin", status=403)  # the last one, which says more


def test_services_see_the_url_to_clone_by(ask, image):
    [place] = ask("GET", f"/image/v2/images/{image}/locations", token="admin", status=200).json

    assert place["url"].startswith(f"lent://here/{image}.")
    assert place["metadata"] == {"store": "ceph"}
