"""Images that stay on a web server: referred to, read through us, never deleted there."""

from __future__ import annotations

import hashlib
import http.server
import ipaddress
import threading

import falcon.testing
import pytest

from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.conf.image import ImageOptions, WebRules
from nova_lite.context import Context
from nova_lite.db import journal as queries
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.durable import journal
from nova_lite.identity.policy import Policy
from nova_lite.image import copies
from nova_lite.image.imports import Imports
from nova_lite.image.port import FetchOrder
from nova_lite.image.service import make_images
from nova_lite.image.web import open_web
from nova_lite.workflows.desk import Desk

DATA = b"all that there is"
HASH = hashlib.sha512(DATA).hexdigest()
RULES = WebRules(networks=(ipaddress.ip_network("127.0.0.0/8"),))


class Anybody:
    """Takes every token; `admin` is one's."""

    def check(self, token, request_id, call=None):
        roles = frozenset({"member", "reader"} | ({"admin"} if token == "admin" else set()))
        return Context(request_id=request_id, user_id="u", project_id="p", roles=roles)


class File(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        data = self.server.data
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), File)
    made.data = DATA
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def url(server):
    return f"http://127.0.0.1:{server.server_port}/i"


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/images.db")
    schema.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def images(database, tmp_path):
    options = ImageOptions(store=f"{(tmp_path / 'a').as_uri()},web=http:", web=RULES)
    return make_images(database, tmp_path, options, "http://cloud.test")


@pytest.fixture
def ask(database, images):
    desk = Desk(database=database, ring=lambda operation_id: None)
    parts = Parts(database=database, tokens=Anybody(), policy=Policy(), images=images, desk=desk)
    client = falcon.testing.TestClient(make_app(parts, ["image"]))

    def send(method, path, body=None, *, status, token="any"):
        answer = client.simulate_request(method, f"/image/v2{path}", headers={"X-Auth-Token": token}, json=body)
        assert answer.status_code == status, answer.text
        return answer

    return send


@pytest.fixture
def create(ask):
    return lambda: ask("POST", "/images", {"disk_format": "raw", "container_format": "bare"}, status=201).json["id"]


@pytest.fixture
def run(database, images):
    """Give the function that does what an operation's steps do, and gives what it was told."""

    def steps(image):
        with database.read() as tx:
            live = journal.live_operation(tx, "image", image)
            params = queries.operation(tx, live.id)["params"]
        imports = Imports(database, images.store, lambda url: open_web(url, RULES), spawn=lambda work: work())
        order = FetchOrder(
            image_id=image,
            operation_id=live.id,
            turn=1,
            url=params["url"],
            store=params["store"],
            refer=True,
            sha512=params["sha512"],
        )
        imports.ensure_contents(order)
        if imports.ensure_contents(order):
            database.transact(lambda tx: copies.adopt(tx, image, (params["store"],)))
        with database.read() as tx:
            return [signal.body["message"] for signal in journal.signals_of(tx, live.id)]

    return steps


def test_a_location_is_read_once_and_then_through_us(ask, create, run, url, server, tmp_path):
    image = create()
    body = {"url": url, "validation_data": {"os_hash_algo": "sha512", "os_hash_value": HASH}}

    ask("POST", f"/images/{image}/locations", body, status=202)
    importing = ask("GET", f"/images/{image}", status=200).json
    told = run(image)

    shown = ask("GET", f"/images/{image}", status=200).json
    assert (importing["status"], importing["os_glance_importing_to_stores"], told) == ("importing", "web", [])
    assert (shown["status"], shown["size"], shown["stores"], shown["os_hash_value"]) == ("active", len(DATA), "web", HASH)
    assert ask("GET", f"/images/{image}/file", status=200).content == DATA
    places = ask("GET", f"/images/{image}/locations", status=200, token="admin").json
    assert places == [{"url": url, "metadata": {"store": "web"}}]
    assert [path for path in (tmp_path / "a").rglob("*") if path.is_file()] == []
    [task] = ask("GET", f"/images/{image}/tasks", status=200).json["tasks"]
    assert task["type"] == "location_import"


def test_bytes_that_do_not_have_the_announced_hash_are_not_taken(ask, create, run, url):
    image = create()
    body = {"url": url, "validation_data": {"os_hash_algo": "sha512", "os_hash_value": "0" * 128}}

    ask("POST", f"/images/{image}/locations", body, status=202)
    told = run(image)

    assert all("sha512" in message for message in told)
    assert told
    assert ask("GET", f"/images/{image}", status=200).json["status"] == "importing"  # until the operation unwinds


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"url": "http://10.0.0.1/x"}, 400),
        ({"url": "http://169.254.169.254/x"}, 400),
        ({"url": "file:///etc/passwd"}, 400),
        ({"url": "s3://bucket/x"}, 400),
        ({"url": "http://u:p@example.org/x"}, 400),
        ({"url": "http://example.org/" + "x" * 500}, 400),
        ({"url": "http://example.org/x", "validation_data": {"os_hash_algo": "md5", "os_hash_value": "0" * 32}}, 400),
        ({"url": "http://example.org/x", "validation_data": {"os_hash_algo": "sha512", "os_hash_value": "zz"}}, 400),
        ({"url": "http://example.org/x"}, 202),
    ],
)
def test_locations_that_may_not_be_asked_are_refused(ask, create, body, status):
    image = create()

    ask("POST", f"/images/{image}/locations", body, status=status)

    assert ask("GET", f"/images/{image}", status=200).json["status"] == ("importing" if status == 202 else "queued")


def test_the_store_of_web_servers_takes_no_upload_and_no_copy(ask, create, run, url):
    image = create()
    shown = ask("GET", "/info/stores", status=200).json["stores"]
    ask("POST", f"/images/{image}/locations", {"url": url}, status=202)
    run(image)

    assert [one.get("read-only") for one in shown] == [None, "true"]
    ask("POST", f"/images/{image}/locations", {"url": url}, status=409)
    other = create()
    ask("POST", f"/images/{other}/import", {"method": {"name": "web-download", "uri": url}, "stores": ["web"]}, status=409)


def test_deleting_the_image_leaves_the_file_where_it_is(ask, create, run, url, server):
    image = create()
    ask("POST", f"/images/{image}/locations", {"url": url}, status=202)
    run(image)

    ask("DELETE", f"/images/{image}", status=204)

    assert server.data == DATA
    ask("GET", f"/images/{image}", status=404)
