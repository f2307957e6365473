"""Several stores, as clients see them."""

from __future__ import annotations

import time

import falcon.testing
import pytest

from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.conf.image import ImageOptions
from nova_lite.context import Context
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.identity.policy import Policy
from nova_lite.image import copies
from nova_lite.image.port import CopyOrder
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


@pytest.fixture
def active(ask, create):
    """Give the function that makes an image with data in the default store."""

    def make():
        image = create()
        ask("PUT", f"/images/{image}/file", status=204, raw=b"data", headers=BYTES)
        return image

    return make


@pytest.fixture
def run_copies(database, images):
    """Give the function that does what an operation's steps do for one image."""

    def run(image, *stores):
        order = CopyOrder(image_id=image, operation_id="none", stores=stores)
        until = time.monotonic() + 20
        while images.imports.ensure_copies(order).running:
            assert time.monotonic() < until
            time.sleep(0.02)
        database.transact(lambda tx: copies.settle(tx, image, stores))

    return run


def shown(ask, image):
    found = ask("GET", f"/images/{image}", status=200).json
    return found["stores"], found.get("os_glance_importing_to_stores"), found.get("os_glance_failed_import")


def test_a_copy_is_accepted_made_and_shown(ask, active, run_copies):
    image = active()
    before = shown(ask, image)

    ask("POST", f"/images/{image}/import", {"method": {"name": "copy-image"}, "stores": ["slow"]}, status=202)
    during = shown(ask, image)
    run_copies(image, "slow")

    assert (before, during) == (("fast", None, None), ("fast", "slow", ""))
    assert shown(ask, image) == ("fast,slow", "", "")
    assert {one["stores"] for one in ask("GET", "/images", status=200).json["images"]} == {"fast,slow"}
    places = ask("GET", f"/images/{image}/locations", status=200, token="admin").json
    assert [place["metadata"]["store"] for place in places] == ["fast", "slow"]


def test_where_a_copy_failed_is_named(ask, active, run_copies, tmp_path):
    image = active()
    [path] = [one for one in (tmp_path / "a").rglob("*") if one.is_file()]
    path.write_bytes(b"else")

    ask("POST", f"/images/{image}/import", {"method": {"name": "copy-image"}, "all_stores": True}, status=202)
    run_copies(image, "slow")

    assert shown(ask, image) == ("fast", "", "slow")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),  # the default store has it already
        ({"stores": ["fast"]}, 400),
        ({"stores": ["slow", "fast"]}, 400),
        ({"stores": ["tape"]}, 409),
        ({"stores": ["slow"], "all_stores": True}, 400),
        ({"all_stores": True}, 202),
        ({"stores": ["slow", "slow"]}, 202),
    ],
)
def test_copies_that_make_no_sense_are_refused_as_in_glance(ask, active, body, status):
    ask("POST", f"/images/{active()}/import", {"method": {"name": "copy-image"}, **body}, status=status)


def test_one_copy_at_a_time_and_only_of_an_active_image(ask, create, active):
    body = {"method": {"name": "copy-image"}, "stores": ["slow"]}
    image = active()

    ask("POST", f"/images/{image}/import", body, status=202)

    ask("POST", f"/images/{image}/import", body, status=409)
    ask("POST", f"/images/{create()}/import", body, status=409)


def test_an_import_names_all_stores_that_it_goes_to(ask, create):
    image = create()
    ask("PUT", f"/images/{image}/stage", status=204, raw=b"data", headers=BYTES)

    ask("POST", f"/images/{image}/import", {"method": {"name": "glance-direct"}, "all_stores": True}, status=202)

    found = ask("GET", f"/images/{image}", status=200).json
    assert (found["status"], found["os_glance_importing_to_stores"]) == ("importing", "fast,slow")
    [task] = ask("GET", f"/images/{image}/tasks", status=200).json["tasks"]
    assert task["input"]["backend"] == ["fast", "slow"]


def test_an_image_is_taken_from_a_store_but_not_from_the_last(ask, active, run_copies, tmp_path):
    image = active()
    ask("POST", f"/images/{image}/import", {"method": {"name": "copy-image"}, "stores": ["slow"]}, status=202)
    ask("DELETE", f"/stores/slow/{image}", status=403)  # it is the only one until the copy is there
    run_copies(image, "slow")

    ask("DELETE", f"/stores/tape/{image}", status=404)
    ask("DELETE", f"/stores/fast/{image}", status=204)
    ask("DELETE", f"/stores/slow/{image}", status=403)

    assert ask("GET", f"/images/{image}/file", status=200).content == b"data"
    assert [name for name, found in files(tmp_path).items() if found] == ["b"]


def test_a_protected_image_loses_no_copy(ask, active, run_copies):
    image = active()
    ask("POST", f"/images/{image}/import", {"method": {"name": "copy-image"}, "stores": ["slow"]}, status=202)
    run_copies(image, "slow")
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    ask("PATCH", f"/images/{image}", status=200, headers=headers, raw=b'[{"op":"replace","path":"/protected","value":true}]')

    ask("DELETE", f"/stores/slow/{image}", status=403)

    assert shown(ask, image)[0] == "fast,slow"


def test_deleting_an_image_frees_all_stores(ask, active, run_copies, tmp_path):
    image = active()
    ask("POST", f"/images/{image}/import", {"method": {"name": "copy-image"}, "stores": ["slow"]}, status=202)
    run_copies(image, "slow")

    ask("DELETE", f"/images/{image}", status=204)

    assert files(tmp_path) == {"a": [], "b": []}
