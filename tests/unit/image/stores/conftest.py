"""A kit for each store: the store, its URL, and what the contract needs to look at it from outside."""

from __future__ import annotations

import dataclasses
import http.server
import ipaddress
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

import pytest
from real import swift as swift_servers
from unit.image.stores.swift_fake import SECRET, FakeSwift

from nova_lite.conf.image import WebRules
from nova_lite.image.stores import ceph as ceph_library
from nova_lite.image.stores import filesystem, rbd, swift, swift_api
from nova_lite.image.stores.base import key_of
from nova_lite.image.stores.http import HttpStore
from nova_lite.image.stores.registry import make_store


class Kit:
    """What all have."""

    def __init__(self, url, monkeypatch):
        self.url = url
        self.store = make_store(url)
        self.monkeypatch = monkeypatch

    def put(self, data):
        writing = self.store.begin(key_of(str(uuid.uuid4()), str(uuid.uuid4())), len(data))
        writing.append(data)
        location = writing.finalize()
        writing.close()
        return location

    def absent(self):
        return f"{self.store.name}:{key_of(str(uuid.uuid4()), str(uuid.uuid4()))}"


class FileKit(Kit):
    def __init__(self, url, monkeypatch, tmp_path):
        super().__init__(url, monkeypatch)
        self._tmp_path = tmp_path

    def everything(self):
        return [path for path in self._tmp_path.rglob("*") if path.is_file()]

    def make_all_old(self):
        self.monkeypatch.setattr(filesystem, "ORPHAN_AGE_S", -3600.0)

    def go_away(self):
        for number, folder in enumerate(list(self._tmp_path.glob("images*"))):
            folder.rename(self._tmp_path / f"away-{number}")
        for name in ("images", "images2"):
            (self._tmp_path / name).write_text("no folder")


@pytest.fixture
def file_kit(tmp_path, monkeypatch):
    return FileKit((tmp_path / "images").as_uri(), monkeypatch, tmp_path)


@pytest.fixture
def folders_kit(tmp_path, monkeypatch):
    url = f"disks={(tmp_path / 'images').as_uri()}?weight=1&more={tmp_path / 'images2'}:1"
    return FileKit(url, monkeypatch, tmp_path)


# -- S3 ---------------------------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """Run a server that speaks S3, and give its address."""
    pytest.importorskip("moto.server", reason="needs moto[server]")
    port, log = free_port(), tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=out, stderr=out
        )
    until = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}", process
    process.send_signal(signal.SIGTERM)
    process.wait(10)


class S3Kit(Kit):
    def __init__(self, url, monkeypatch, bucket, endpoint):
        super().__init__(url, monkeypatch)
        self.store.part_bytes = 5 << 20
        self.bucket = bucket
        self.endpoint = endpoint
        self.store.client().create_bucket(Bucket=bucket)

    def everything(self):
        client = self.store.client()
        objects = [one["Key"] for one in client.list_objects_v2(Bucket=self.bucket).get("Contents", ())]
        return objects + [one["Key"] for one in client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())]

    def make_all_old(self):
        from nova_lite.image.stores import s3

        self.monkeypatch.setattr(s3, "ORPHAN_AGE_S", -3600.0)

    def go_away(self):
        from nova_lite.image.stores import s3

        self.monkeypatch.setattr(s3, "PATIENCE", s3.PATIENCE.merge(s3.Config(retries={"max_attempts": 1, "mode": "standard"})))
        gone = make_store(self.url.replace(re.search(r":(\d+)&", self.url)[1], str(free_port())))
        self.store = gone


@pytest.fixture
def credentials(tmp_path):
    path = tmp_path / "s3.ini"
    path.touch(mode=0o600)
    path.write_text(f"[s3]\naccess_key = us\nsecret_key = {SECRET}\n")
    return path


@pytest.fixture
def s3_kit(s3_server, tmp_path, monkeypatch, credentials):
    endpoint, _ = s3_server
    bucket = f"b{uuid.uuid4().hex[:12]}"
    url = f"cloud=s3://{bucket}/images?endpoint={endpoint}&credentials={credentials}"
    return S3Kit(url, monkeypatch, bucket, endpoint)


# -- Ceph -------------------------------------------------------------------------------------------------------------------


class RbdKit(Kit):
    def __init__(self, ceph, monkeypatch, tmp_path):
        super().__init__(ceph.url(), monkeypatch)
        self.ceph = ceph
        self._tmp_path = tmp_path

    def everything(self):
        """Name the uploads that left an image or a note, and the objects that belong to no image."""
        cluster = self.store.cluster()
        names, own = set(cluster.names()), {rbd.UPLOADS}
        for name in names:
            image = cluster.open(name)
            own |= {f"rbd_id.{name}", image.header().partition(".")[2]}
            image.close()
        strange = [name for name in self.ceph.objects() if name not in own and name.split(".")[1] not in own]
        return [*(names | {note.removeprefix("lock.") for note in cluster.notes(rbd.UPLOADS)}), *strange]

    def make_all_old(self):
        self.monkeypatch.setattr(rbd, "ORPHAN_AGE_S", -3600.0)

    def go_away(self):
        self.monkeypatch.setitem(ceph_library.PATIENCE, "client_mount_timeout", "1")
        config = self._tmp_path / "away.conf"
        config.write_text(re.sub(r":\d+", f":{free_port()}", self.ceph.config.read_text()))
        self.store = make_store(self.url.replace(str(self.ceph.config), str(config)))


@pytest.fixture
def rbd_kit(ceph, monkeypatch, tmp_path):
    """Give the kit; what a test leaves is not the next one's."""
    kit = RbdKit(ceph, monkeypatch, tmp_path)
    yield kit
    store = make_store(kit.url)
    notes = (name.removeprefix("lock.") for name in store.cluster().notes(rbd.UPLOADS))
    for name in {*store.cluster().names(), *notes}:
        store.wipe(f"incoming/{name}")


# -- Swift ------------------------------------------------------------------------------------------------------------------


class SwiftKit(Kit):
    """`address`: of the login; the container is made by this."""

    def __init__(self, address, monkeypatch, tmp_path, *, in_memory):
        credentials = tmp_path / "swift.ini"
        credentials.touch(mode=0o600)
        credentials.write_text(f"[swift]\nuser = test:tester\nkey = {SECRET}\n")
        self.container, self.in_memory = f"c{uuid.uuid4().hex[:12]}", in_memory
        url = f"cloud=swift://{self.container}/images?auth_url={address}&credentials={credentials}"
        super().__init__(url, monkeypatch)
        self.store.segment_bytes = 1 << 20
        monkeypatch.setattr(swift_api, "TRIES", 1 if in_memory else 3)
        self.store.api._call("PUT", None)

    def everything(self):
        place = dataclasses.replace(self.store.api._place, prefix="")
        return [one.name for one in swift_api.SwiftApi(place).entries("")]

    def make_all_old(self):
        self.monkeypatch.setattr(swift, "ORPHAN_AGE_S", -3600.0)

    def go_away(self):
        self.monkeypatch.setattr(swift_api, "TRIES", 0)
        self.store = make_store(self.url.replace(re.search(r":(\d+)/", self.url)[1], str(free_port())))


@pytest.fixture
def fake_swift():
    with FakeSwift() as server:
        yield server
        server.shutdown()


@pytest.fixture
def swift_kit(fake_swift, monkeypatch, tmp_path):
    return SwiftKit(f"{fake_swift.url}/auth/v1.0", monkeypatch, tmp_path, in_memory=True)


@pytest.fixture(scope="session")
def real_swift():
    """Run Swift's own servers."""
    why_not = swift_servers.reason_against()
    if why_not:
        pytest.skip(why_not)
    server = swift_servers.Swift()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def real_swift_kit(real_swift, monkeypatch, tmp_path):
    return SwiftKit(real_swift.auth_url, monkeypatch, tmp_path, in_memory=False)


# -- HTTP -------------------------------------------------------------------------------------------------------------------


class Files(http.server.BaseHTTPRequestHandler):
    """Gives parts of files when the server may."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        data = server.files.get(self.path)
        server.asked.append((self.path, self.headers.get("Range")))
        if server.away or data is None:
            return self._answer(503 if server.away else 404, b"")
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if match is None or not server.knows_parts or not data:
            return self._answer(200, data)
        start, end = int(match[1]), min(int(match[2]) + 1, len(data))
        return self._answer(206, data[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})

    def _answer(self, status, data, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def web_server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    made.files, made.asked, made.away, made.knows_parts = {}, [], False, True
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


class HttpKit:
    def __init__(self, server):
        self.server = server
        rules = WebRules(networks=(ipaddress.ip_network("127.0.0.0/8"),))
        self.store = HttpStore(rules, name="web", resolve=lambda host, port: ["127.0.0.1"])

    def put(self, data):
        path = f"/{os.urandom(4).hex()}"
        self.server.files[path] = data
        return self._location(path)

    def absent(self):
        return self._location("/nothing")

    def _location(self, path):
        return f"web:http://files.test:{self.server.server_port}{path}"

    def go_away(self):
        self.server.away = True


@pytest.fixture
def http_kit(web_server):
    return HttpKit(web_server)


@pytest.fixture
def http_whole_kit(web_server):
    """Give the kit with a server that knows no parts."""
    web_server.knows_parts = False
    return HttpKit(web_server)
