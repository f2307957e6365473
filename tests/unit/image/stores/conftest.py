"""A kit for each store: the store, its URL, and what the contract needs to look at it from outside."""

from __future__ import annotations

import http.server
import ipaddress
import os
import re
import threading
import uuid

import pytest

from nova_lite.conf.image import WebRules
from nova_lite.image.stores import filesystem
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
