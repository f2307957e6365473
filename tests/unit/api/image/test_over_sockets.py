"""Image bytes through the daemon: real sockets, cut and slow clients, a killed process, a host with its ticket."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from nova_lite.conf.image import ImageOptions
from nova_lite.db import migrate
from nova_lite.db.engine import Database
from nova_lite.db.tables.images import image_usage
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.identity.service import ensure_all_keys
from nova_lite.image.client import download
from nova_lite.image.service import make_images

READY_S = 60
MIB = 1 << 20
BYTES = {"Content-Type": "application/octet-stream"}
LOGIN = {
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "demo", "domain": {"id": "default"}, "password": "pw"}},
        },
        "scope": {"project": {"name": "demo", "domain": {"id": "default"}}},
    }
}


class Cloud:
    """A daemon with the Identity and Image APIs; 4 threads, so 2 transfers at once."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = f"sqlite:///{folder / 'nova-lite.db'}"
        database = Database(self.database_url)
        migrate.upgrade(database)
        ensure_all_keys(self.folder, time.time())
        bootstrap(database, admin_password="pw", demo_password="pw", region="RegionOne", public_url=self.url)
        database.dispose()
        self.start()
        headers = self.ask(
            "POST", "/identity/v3/auth/tokens", json.dumps(LOGIN), {"Content-Type": "application/json"}, token=None
        )[2]
        self.token = headers["X-Subject-Token"]

    def start(self):
        settings = {
            "OS_DEFAULT__STATE_DIR": str(self.folder),
            "OS_DEFAULT__LOG_DIR": str(self.folder / "audit"),
            "OS_API__PORT": str(self.port),
            "OS_API__THREADS": "4",
            "OS_IDENTITY__POLICY_FILE": str(self.folder / "policy.yaml"),
        }
        command = [sys.executable, "-m", "nova_lite.api.daemon", "--services", "identity,image"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log, start_new_session=True)
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if self.ask("GET", "/healthz", token=None)[0] == 200:
                    return
            time.sleep(0.1)
        pytest.fail((self.folder / "log").read_text(encoding="utf-8"))

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def ask(self, method, path, body=None, headers=None, token=""):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = dict(headers or {})
        if token is not None:
            headers["X-Auth-Token"] = token or self.token
        try:
            connection.request(method, path, body=body, headers=headers, encode_chunked="Transfer-Encoding" in headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def create(self, **fields):
        body = json.dumps({"disk_format": "raw", "container_format": "bare", **fields})
        return json.loads(self.ask("POST", "/image/v2/images", body, {"Content-Type": "application/json"})[1])["id"]

    def show(self, image):
        return json.loads(self.ask("GET", f"/image/v2/images/{image}")[1])

    def file(self, image):
        return f"/image/v2/images/{image}/file"

    def begin_upload(self, image, announced, sent):
        """Open a connection that has sent a part of an upload."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        head = (
            f"PUT {self.file(image)} HTTP/1.1\r\nHost: cloud\r\nX-Auth-Token: {self.token}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {announced}\r\n\r\n"
        )
        connection.sendall(head.encode() + bytes(sent))
        return connection

    def wait_for(self, image, status):
        until = time.monotonic() + 30
        while self.show(image)["status"] != status:
            assert time.monotonic() < until, self.show(image)
            time.sleep(0.05)

    def used(self, image):
        """Give the downloads and the bytes that are written down of an image."""
        database = Database(self.database_url)
        with database.read() as tx:
            row = tx.execute(image_usage.select().where(image_usage.c.image_id == image)).mappings().one_or_none()
        database.dispose()
        return (0, 0) if row is None else (row["downloads"], row["sent_bytes"])

    def files(self):
        return [path.name for path in (self.folder / "images").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    made = Cloud(tmp_path_factory.mktemp("cloud"))
    yield made
    made.kill()


def answer_of(connection):
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response


def test_an_upload_of_pieces_comes_back_by_sendfile_whole_and_in_part(cloud):
    image = cloud.create()
    data = os.urandom(3 * MIB + 17)
    pieces = (data[start : start + 100_000] for start in range(0, len(data), 100_000))

    status = cloud.ask("PUT", cloud.file(image), pieces, BYTES | {"Transfer-Encoding": "chunked"})[0]

    assert status == 204
    assert cloud.ask("GET", cloud.file(image))[:2] == (200, data)
    part = cloud.ask("GET", cloud.file(image), headers={"Range": f"bytes={MIB}-{2 * MIB}"})
    assert part[:2] == (206, data[MIB : 2 * MIB + 1])
    assert part[2]["Content-Range"] == f"bytes {MIB}-{2 * MIB}/{len(data)}"
    assert cloud.ask("HEAD", cloud.file(image))[2]["Content-Length"] == str(len(data))


def test_what_goes_by_sendfile_is_counted_whole_in_part_and_cut(cloud):
    image, size = cloud.create(), 60 * MIB
    assert cloud.ask("PUT", cloud.file(image), bytes(size), BYTES)[0] == 204

    cloud.ask("GET", cloud.file(image))
    cloud.ask("GET", cloud.file(image), headers={"Range": f"bytes=0-{MIB - 1}"})
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=60) as cut:
        cut.sendall(f"GET {cloud.file(image)} HTTP/1.1\r\nHost: cloud\r\nX-Auth-Token: {cloud.token}\r\n\r\n".encode())
        assert cut.recv(1000)

    until = time.monotonic() + 60
    while (counted := cloud.used(image))[1] <= size + MIB:
        assert time.monotonic() < until, counted
        time.sleep(0.2)
    assert counted[0] == 1
    assert size + MIB < counted[1] < 2 * size


def test_an_upload_that_is_cut_half_way_leaves_nothing_and_may_be_repeated(cloud):
    image, before = cloud.create(), sorted(cloud.files())
    connection = cloud.begin_upload(image, 10 * MIB, 5 * MIB)
    cloud.wait_for(image, "saving")

    connection.close()

    cloud.wait_for(image, "queued")
    assert sorted(cloud.files()) == before
    assert cloud.ask("GET", cloud.file(image))[0] == 204
    assert cloud.ask("PUT", cloud.file(image), b"whole", BYTES)[0] == 204
    assert cloud.show(image)["size"] == 5


def test_a_chunked_upload_without_its_last_chunk_leaves_nothing(cloud):
    image, before = cloud.create(), sorted(cloud.files())
    connection = socket.create_connection(("127.0.0.1", cloud.port), timeout=60)
    head = (
        f"PUT {cloud.file(image)} HTTP/1.1\r\nHost: cloud\r\nX-Auth-Token: {cloud.token}\r\n"
        "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    connection.sendall(head.encode() + b"5\r\nhello\r\n")
    cloud.wait_for(image, "saving")
    connection.close()

    cloud.wait_for(image, "queued")
    assert sorted(cloud.files()) == before


def test_wrong_content_is_refused_before_the_rest_comes(cloud):
    image = cloud.create(disk_format="qcow2")

    connection = cloud.begin_upload(image, 1 << 30, 2 * MIB)

    answer = answer_of(connection)
    assert (answer.status, b"content is raw" in answer.read()) == (415, True)
    connection.close()
    cloud.wait_for(image, "queued")


def test_a_second_upload_is_refused_while_the_first_runs(cloud):
    image = cloud.create()
    first = cloud.begin_upload(image, 100, 50)
    cloud.wait_for(image, "saving")

    status = cloud.ask("PUT", cloud.file(image), b"other", BYTES)[0]
    first.sendall(bytes(50))

    assert status == 409
    assert answer_of(first).status == 204
    first.close()
    assert cloud.show(image)["size"] == 100


def test_an_image_deleted_during_its_upload_is_gone(cloud):
    image = cloud.create()
    connection = cloud.begin_upload(image, 100, 50)
    cloud.wait_for(image, "saving")

    assert cloud.ask("DELETE", f"/image/v2/images/{image}")[0] == 204
    connection.sendall(bytes(50))

    assert answer_of(connection).status == 410
    connection.close()
    assert not [name for name in cloud.files() if name.startswith(image)]


def test_only_half_of_the_threads_move_bytes_and_the_others_go_on(cloud):
    images = [cloud.create() for _ in range(3)]
    held = [cloud.begin_upload(image, 100, 50) for image in images[:2]]
    for image in images[:2]:
        cloud.wait_for(image, "saving")

    status, _, headers = cloud.ask("PUT", cloud.file(images[2]), b"x", BYTES)

    assert (status, int(headers["Retry-After"]) > 0) == (503, True)
    assert cloud.ask("GET", "/image/v2/images")[0] == 200
    for connection in held:
        connection.sendall(bytes(50))
        assert answer_of(connection).status == 204
        connection.close()
    assert cloud.ask("PUT", cloud.file(images[2]), b"x", BYTES)[0] == 204


def test_a_host_downloads_with_its_ticket_and_no_token(cloud, tmp_path):
    image = cloud.create()
    data = os.urandom(2 * MIB)
    assert cloud.ask("PUT", cloud.file(image), data, BYTES)[0] == 204
    database = Database(cloud.database_url)
    options = ImageOptions(store=(cloud.folder / "images").as_uri())
    conductors = make_images(database, cloud.folder, options, cloud.url)

    source = conductors.source_for(image, "host-1", valid_s=60)
    download(source, tmp_path / "base", threading.Event())
    database.dispose()

    assert (tmp_path / "base").read_bytes() == data
    other = cloud.create()
    assert cloud.ask("GET", cloud.file(other), headers={"X-Image-Ticket": source.ticket}, token=None)[0] == 401
    assert source.ticket not in (cloud.folder / "log").read_text(encoding="utf-8")


def test_a_daemon_killed_during_an_upload_mends_the_image_at_its_next_start(cloud):
    image, before = cloud.create(), sorted(cloud.files())
    connection = cloud.begin_upload(image, 10 * MIB, 2 * MIB)
    cloud.wait_for(image, "saving")

    cloud.kill()
    connection.close()
    cloud.start()

    cloud.wait_for(image, "queued")
    assert sorted(cloud.files()) == before
    assert cloud.ask("PUT", cloud.file(image), b"again", BYTES)[0] == 204
