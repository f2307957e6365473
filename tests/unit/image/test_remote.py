"""Images of another region: asked with the user's token, over cuts, and never further than the catalogue says."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import uuid

import pytest

from nova_lite import errors
from nova_lite.api.image.imports import methods_now
from nova_lite.conf.image import WebRules
from nova_lite.db import identity
from nova_lite.durable import journal
from nova_lite.image import remote, staging
from nova_lite.image.convert import Converter
from nova_lite.image.imports import Imports
from nova_lite.image.port import FETCH_FAILED, FetchOrder
from nova_lite.model.identity import CatalogEndpoint, CatalogService, Region
from nova_lite.model.ids import OperationId
from nova_lite.model.image import ImageStatus
from nova_lite.workflows.import_image import IMPORT_CONVERTED, ImportParams

DATA = bytes(range(256)) * 8192
RECORD = {
    "status": "active",
    "disk_format": "raw",
    "container_format": "bare",
    "size": len(DATA),
    "os_hash_algo": "sha512",
    "os_hash_value": hashlib.sha512(DATA).hexdigest(),
    "checksum": hashlib.md5(DATA, usedforsecurity=False).hexdigest(),
    "hw_disk_bus": "scsi",
    "os_distro": "debian",
    "name": "not copied",
    "my_own": "not copied",
}


class Region2:
    """An Image service with one image. `cuts`: after how many bytes each answer ends; then it goes on to the end."""

    def __init__(self):
        self.record, self.data, self.cuts, self.asked, self.status = dict(RECORD), DATA, [], [], 200
        self.redirect = ""
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/image/v2/images/{uuid.uuid4()}/file"

    def _handler(region):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                region.asked.append((self.path, self.headers.get("X-Auth-Token"), self.headers.get("Range")))
                if region.redirect:
                    self.send_response(302)
                    self.send_header("Location", region.redirect)
                    self.end_headers()
                elif region.status != 200:
                    self.send_error(region.status)
                elif self.path.endswith("/file"):
                    self._file()
                else:
                    self._send(200, json.dumps(region.record).encode())

            def _file(self):
                start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
                self._send(206 if start else 200, region.data[start:], region.cuts.pop(0) if region.cuts else None)

            def _send(self, status, data, most=None):
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[:most])

            def log_message(self, *_arguments):
                pass

        return Handler


@pytest.fixture
def region():
    made = Region2()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def fetch(make_image, database, store, images, tmp_path, region):
    """Give the function that imports the region's image as far as `activate`, and gives image, order and signals."""

    def run(convert_to=None, times=1, remote=None, **changes):
        image = make_image(**({"disk_format": "iso", "properties": {"mine": "stays", "hw_disk_bus": "ide"}} | changes))
        database.transact(lambda tx: staging.begin_import(tx, image.id, staged=False))
        where = None if remote else region.url
        params = ImportParams(image_id=image.id, store="file", method="glance-download", url=where, convert_to=convert_to)
        operation = journal.NewOperation(
            workflow=IMPORT_CONVERTED, subject_kind="image", subject_id=image.id, params=params,
            project_id="p", user_id="u", request_id="r",
        )  # fmt: skip
        operation_id = OperationId(database.transact(lambda tx: journal.accept(tx, operation)))
        order = FetchOrder(
            image_id=image.id,
            operation_id=operation_id,
            turn=1,
            url=where,
            remote=remote or {},
            token=images.seal("secret"),
            convert_to=convert_to,
        )
        assert "secret" not in order.token
        imports = Imports(
            database, store, None, spawn=lambda work: work(), converter=Converter(tmp_path / "scratch"),
            tokens=images._tickets.unseal,
        )  # fmt: skip
        for _ in range(times):
            imports.ensure_contents(order)
        with database.read() as tx:
            told = [one.body for one in journal.signals_of(tx, operation_id) if one.name == FETCH_FAILED]
        return image, order, imports, told

    return run


def users(image):
    """Give an image's properties without those that tell of imports."""
    return {name: value for name, value in image.properties.items() if not name.startswith("os_glance_")}


def test_an_image_comes_with_its_formats_and_the_properties_that_are_copied(fetch, database, look, images, region):
    image, order, imports, told = fetch()
    before, done = look(image), imports.ensure_contents(order)
    database.transact(lambda tx: staging.adopt(tx, image.id))

    found = look(image)
    assert (told, done) == ([], True)
    assert (before.disk_format, users(before)) == ("iso", {"mine": "stays", "hw_disk_bus": "ide"})
    assert (found.status, found.disk_format, found.name) == (ImageStatus.ACTIVE, "raw", "tiny")
    assert users(found) == {"mine": "stays", "hw_disk_bus": "scsi", "os_distro": "debian"}
    assert images.open(found, 0, found.size_bytes).read() == DATA
    assert {token for _, token, _ in region.asked} == {"secret"}


def test_what_the_cloud_gives_counts_more_than_what_came(fetch, database, look):
    image, _, _, _ = fetch()

    database.transact(lambda tx: staging.adopt(tx, image.id, inject={"hw_disk_bus": "virtio", "origin": "far"}))

    assert users(look(image)) == {"mine": "stays", "hw_disk_bus": "virtio", "os_distro": "debian", "origin": "far"}


def test_cuts_are_gone_over(fetch, region, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_S", 0.0)
    region.cuts = [700_000, 500_000, 0, 1]

    _, _, _, told = fetch()

    assert told == []
    assert [asked for _, _, asked in region.asked[2:]] == [
        "bytes=700000-",
        "bytes=1200000-",
        "bytes=1200000-",
        "bytes=1200001-",
    ]


def test_a_region_that_is_cut_again_and_again_may_be_tried_later(fetch, region, files, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_S", 0.0)
    region.cuts = [0] * 50

    _, _, _, told = fetch()

    assert [body["again"] for body in told] == [True]
    assert files() == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": "queued"}, "not active"),
        ({"disk_format": "qed"}, "not known here"),
        ({"disk_format": None}, "not known here"),
        ({"size": None}, "does not answer as an Image service"),
        ({"os_hash_value": "0" * 128}, "damaged on the way"),
        ({"checksum": "0" * 32}, "damaged on the way"),
        ({"disk_format": "qcow2"}, "claims to be qcow2"),
        ({"name": "n" * (1 << 21)}, "too much"),
    ],
)
def test_what_is_wrong_there_leaves_nothing_here(fetch, region, files, look, change, why):
    region.record |= change

    image, _, _, told = fetch()

    assert [(why in body["message"], body["again"]) for body in told] == [(True, False)]
    assert (files(), look(image).disk_format) == ([], "iso")


@pytest.mark.parametrize(("status", "again"), [(401, False), (404, False), (503, True)])
def test_refusals_of_the_region_are_told(fetch, region, status, again):
    region.status = status

    _, _, _, told = fetch()

    assert [(str(status) in body["message"], body["again"]) for body in told] == [(True, again)]


def test_the_token_follows_no_redirect(fetch, region):
    other = Region2()
    region.redirect = other.url

    _, _, _, told = fetch()
    other.server.shutdown()
    other.server.server_close()

    assert (len(told), other.asked) == (1, [])


def test_what_came_is_converted_by_the_formats_of_the_other_region(fetch, database, look):
    image, order, imports, _ = fetch("qcow2")

    begun, done = imports.ensure_converted(order), imports.ensure_converted(order)
    database.transact(lambda tx: staging.adopt(tx, image.id))

    found = look(image)
    assert (begun, done, found.disk_format, found.virtual_size_bytes) == (False, True, "qcow2", len(DATA))
    assert found.properties["os_distro"] == "debian"


def test_what_is_in_the_format_already_is_not_converted(fetch, database):
    image, order, imports, _ = fetch("raw")

    assert imports.ensure_converted(order) is True
    with database.read() as tx:
        assert staging.superseded(tx, image.id) is None


def test_a_token_sealed_with_another_key_is_asked_for_anew(images):
    sealed = images.seal("secret")
    assert images._tickets.unseal(sealed) == "secret"
    images._tickets._key = b"x" * 32

    with pytest.raises(errors.BadRequest):
        images._tickets.unseal(sealed)


@pytest.fixture
def catalog(database):
    def add(url, region="Two", interface="public", kind="image", enabled=True):
        def work(tx):
            if identity.REGIONS.find(tx, region) is None:
                identity.REGIONS.insert(tx, Region(id=region))
            service = identity.SERVICES.insert(tx, CatalogService(id=uuid.uuid4().hex, type=kind, name="s"))
            endpoint = CatalogEndpoint(
                id=uuid.uuid4().hex, service_id=service.id, interface=interface, url=url, region_id=region, enabled=enabled
            )
            identity.ENDPOINTS.insert(tx, endpoint)

        database.transact(work)

    return add


def test_images_of_another_region_are_offered_where_the_catalogue_has_one(catalog, database):
    catalog("http://10.0.0.8/image", region="One")
    catalog("http://10.0.0.9/compute", kind="compute")
    catalog("http://10.0.0.9/image", enabled=False)
    with database.read() as tx:
        assert methods_now(tx, WebRules(public=False)) == ["glance-direct", "copy-image"]

    catalog("http://10.0.0.9/image")

    with database.read() as tx:
        assert methods_now(tx, WebRules()) == ["glance-direct", "web-download", "copy-image", "glance-download"]


@pytest.mark.parametrize("end", ["", "/", "/v2", "/v2/", "/v2.9"])
def test_the_catalogue_says_where_a_region_is(catalog, database, end):
    catalog("http://wrong.test", interface="internal")
    catalog("http://wrong.test", kind="compute")
    catalog("http://wrong.test", enabled=False)
    catalog("http://wrong.test", region="Three")
    catalog(f"http://10.0.0.9/image{end}")

    with database.read() as tx:
        asked = {"glance_region": "two", "glance_service_interface": "public", "glance_image_id": "i"}
        assert remote.url_of(tx, asked) == "http://10.0.0.9/image/v2/images/i/file"
        with pytest.raises(errors.BadRequest, match="no admin endpoint"):
            remote.url_of(tx, asked | {"glance_service_interface": "admin"})


def test_the_fetch_asks_the_catalogue_and_tells_of_a_region_that_is_not_there(fetch, catalog, region):
    catalog(region.url.partition("/v2/")[0])
    asked = {"glance_region": "Two", "glance_service_interface": "public", "glance_image_id": region.url.split("/")[-2]}

    _, _, _, found = fetch(remote=asked)
    _, _, _, lost = fetch(remote=asked | {"glance_region": "Nowhere"})

    assert (found, len(region.asked)) == ([], 2)
    assert [(one["message"], one["again"]) for one in lost] == [
        ("The catalog has no public endpoint of an Image service in the region Nowhere.", False)
    ]
