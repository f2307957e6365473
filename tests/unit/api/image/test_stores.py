"""Several stores, as clients see them."""

from __future__ import annotations

import falcon.testing
import pytest

from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.conf.image import ImageOptions
from nova_lite.context import Context
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.identity.policy import Policy
from nova_lite.image.service import make_images
from nova_lite.workflows.desk import Desk

BYTES = {"Content-Type": "application/octet-stream"}
NEW = {"disk_format": "raw", "container_format": "bare"}


class Anybody:
    """Takes every token; `admin` is one's."""

    def check(self, token, request_id, call=None):
        roles = frozenset({"member", "reader"} | ({"admin"} if token == "admin" else set()))
        return Context(request_id=request_id, user_id="u", project_id="p", roles=roles)


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/images.db")
    schema.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def images(database, tmp_path):
    options = ImageOptions(store=f"fast={(tmp_path / 'a').as_uri()},slow={(tmp_path / 'b').as_uri()}")
    return make_images(database, tmp_path, options, "http://cloud.test")


@pytest.fixture
def client(database, images):
    desk = Desk(database=database, ring=lambda operation_id: None)
    parts = Parts(database=database, tokens=Anybody(), policy=Policy(), images=images, desk=desk)
    return falcon.testing.TestClient(make_app(parts, ["image"]), headers={"X-Auth-Token": "any"})


@pytest.fixture
def ask(client):
    """Give the function that asks and sees the status."""

    def send(method, path, body=None, *, status, token="any", **more):
        headers = {"X-Auth-Token": token} | more.pop("headers", {})
        content = {"body": more["raw"]} if "raw" in more else {"json": body}
        answer = client.simulate_request(method, f"/image/v2{path}", headers=headers, **content)
        assert answer.status_code == status, answer.text
        return answer

    return send


@pytest.fixture
def create(ask):
    return lambda: ask("POST", "/images", NEW, status=201).json["id"]


def files(tmp_path):
    return {name: sorted(one.name for one in (tmp_path / name).rglob("*") if one.is_file()) for name in ("a", "b")}


def test_all_stores_are_told_with_the_default_one(ask):
    shown = ask("GET", "/info/stores", status=200).json["stores"]
    detail = ask("GET", "/info/stores/detail", status=200, token="admin").json["stores"]
    made = ask("POST", "/images", NEW, status=201)

    assert [(one["id"], one.get("default")) for one in shown] == [("fast", "true"), ("slow", None)]
    assert [(one["id"], one["type"], one["properties"]) for one in detail] == [("fast", "file", {}), ("slow", "file", {})]
    assert made.headers["OpenStack-image-store-ids"] == "fast,slow"


@pytest.mark.parametrize(("headers", "store", "folder"), [({}, "fast", "a"), ({"X-Image-Meta-Store": "slow"}, "slow", "b")])
def test_an_upload_goes_to_the_store_that_is_asked_for(ask, create, tmp_path, headers, store, folder):
    image = create()

    ask("PUT", f"/images/{image}/file", status=204, raw=b"data", headers=BYTES | headers)

    assert ask("GET", f"/images/{image}", status=200).json["stores"] == store
    assert ask("GET", f"/images/{image}/file", status=200).content == b"data"
    assert [name for name, found in files(tmp_path).items() if found] == [folder]


@pytest.mark.parametrize("what", ["file", "stage"])
def test_bytes_for_a_store_that_is_none_are_refused(ask, create, tmp_path, what):
    image = create()

    ask("PUT", f"/images/{image}/{what}", status=400, raw=b"data", headers=BYTES | {"X-Image-Meta-Store": "tape"})

    assert files(tmp_path) == {"a": [], "b": []}


def test_bytes_are_staged_in_the_store_that_is_asked_for(ask, create, tmp_path):
    image = create()

    ask("PUT", f"/images/{image}/stage", status=204, raw=b"data", headers=BYTES | {"X-Image-Meta-Store": "slow"})

    assert [name for name, found in files(tmp_path).items() if found] == ["b"]


def test_deleting_an_image_frees_whichever_store(ask, create, tmp_path):
    image = create()
    ask("PUT", f"/images/{image}/file", status=204, raw=b"data", headers=BYTES | {"X-Image-Meta-Store": "slow"})

    ask("DELETE", f"/images/{image}", status=204)

    assert files(tmp_path) == {"a": [], "b": []}
