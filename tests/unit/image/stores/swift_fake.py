"""A Swift for quick tests: one account in memory, both logins, static large objects, and faults when a test wants some.

What it does was seen in Swift 2.30; `test_contract.py` runs on a real one too.
"""

from __future__ import annotations

import datetime
import email.utils
import hashlib
import http.server
import json
import re
import threading
import time
import urllib.parse
import uuid

SECRET = "not-to-be-told"
ACCOUNT = "/v1/AUTH_test"


class Kept:
    """An object; `names` of the objects that a large one is made of."""

    def __init__(self, data, names=()):
        self.data = data
        self.names = names
        self.etags = ()  # what those must have
        self.changed = time.time()
        self.etag = hashlib.md5(data).hexdigest()


class FakeSwift(http.server.ThreadingHTTPServer):
    """Objects by `container/name`. `fault(method, path)` gives a status or what goes wrong, or None.

    cut: nothing is done and nothing answered; lose: it is done; half: half the bytes come; garbage: others; whole: no part.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.containers, self.objects, self.tokens = set(), {}, set()
        self.spoil = False  # bytes change on their way
        self.fault = lambda method, path: None
        self.page = 1000
        self.seen = []  # method, path and headers of each request
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def new_token(self):
        token = uuid.uuid4().hex
        self.tokens.add(token)
        return token

    def bytes_of(self, path):
        """Give an object's bytes; of a large one None where a part is not as the manifest says."""
        found = self.objects[path]
        if not found.names:
            return found.data
        if any(
            name not in self.objects or self.objects[name].etag != etag
            for name, etag in zip(found.names, found.etags, strict=True)
        ):
            return None
        return b"".join(self.bytes_of(name) for name in found.names)


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    fault = None

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urllib.parse.urlsplit(self.path)
        path, query = urllib.parse.unquote(url.path), dict(urllib.parse.parse_qsl(url.query))
        self.server.seen.append((self.command, path, dict(self.headers)))
        fault = self.server.fault(self.command, path)
        self.fault = None
        if isinstance(fault, int):
            return self.answer(fault)
        if fault == "cut":
            self.close_connection = True
            return None
        if fault == "garbage":
            return self.answer(200, b"<html>")
        self.fault = fault
        if path in ("/auth/v1.0", "/v3/auth/tokens"):
            return self.log_in(path, json.loads(body) if body else {})
        if self.headers.get("X-Auth-Token") not in self.server.tokens:
            return self.answer(401)
        container, _, name = path.removeprefix(ACCOUNT + "/").partition("/")
        if self.command == "PUT" and not name:
            self.server.containers.add(container)
            return self.answer(201)
        if container not in self.server.containers:
            return self.answer(404)
        if not name:
            return self.list_all(container, query)
        return getattr(self, f"{self.command.lower()}_object")(f"{container}/{name}", query, body)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = handle_any

    def log_in(self, path, body):
        if path == "/auth/v1.0":
            if (self.headers.get("X-Auth-User"), self.headers.get("X-Auth-Key")) != ("test:tester", SECRET):
                return self.answer(401)
            return self.answer(
                200, headers={"X-Storage-Url": self.server.url + ACCOUNT, "X-Auth-Token": self.server.new_token()}
            )
        identity = body["auth"]["identity"]
        kind = identity["methods"][0]
        given = identity[kind].get("secret") or identity[kind]["user"]["password"]
        if given != SECRET:
            return self.answer(401)
        endpoints = [
            {"interface": face, "region_id": "R", "region": "R", "url": self.server.url + where, "id": face}
            for face, where in (("public", ACCOUNT), ("internal", ACCOUNT), ("admin", "/nowhere"))
        ]
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
        token = {
            "methods": [kind], "user": {"id": "u", "name": "u", "domain": {"id": "default", "name": "Default"}},
            "expires_at": until.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "issued_at": "2026-01-01T00:00:00.000000Z",
            "catalog": [{"type": "object-store", "name": "swift", "id": "s", "endpoints": endpoints}],
        }  # fmt: skip
        data = json.dumps({"token": token}).encode()
        return self.answer(201, data, {"X-Subject-Token": self.server.new_token(), "Content-Type": "application/json"})

    def list_all(self, container, query):
        if self.command == "HEAD":
            return self.answer(204)
        prefix, shown = query.get("prefix", ""), {}
        for path in sorted(self.server.objects):
            of, _, name = path.partition("/")
            if of == container and name.startswith(prefix):
                rest = name.removeprefix(prefix)
                if "delimiter" in query and "/" in rest:
                    folder = f"{prefix}{rest.partition('/')[0]}/"
                    shown[folder] = {"subdir": folder}
                else:
                    shown[name] = self.listed(name, self.server.objects[path])
        names = [name for name in sorted(shown) if name > query.get("marker", "")][: self.server.page]
        return self.answer(200, json.dumps([shown[name] for name in names]).encode())

    @staticmethod
    def listed(name, kept):
        changed = datetime.datetime.fromtimestamp(kept.changed, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        return {"name": name, "bytes": 0 if kept.names else len(kept.data), "hash": kept.etag, "last_modified": changed}

    def put_object(self, path, query, body):
        if self.headers.get("If-None-Match") == "*" and path in self.server.objects:
            return self.answer(412)
        kept = Kept(body + b"!" if self.server.spoil and path.split("/")[2] == "kept" else body)
        if query.get("multipart-manifest") == "put":
            parts = json.loads(body)
            kept.names = tuple(one["path"].lstrip("/") for one in parts)
            kept.etags = tuple(one["etag"] for one in parts)
            if not all(self.is_as_said(one) for one in parts):
                return self.answer(400)
            kept.etag = hashlib.md5("".join(kept.etags).encode()).hexdigest()
        elif self.headers.get("ETag", kept.etag) != kept.etag:
            return self.answer(422)
        self.server.objects[path] = kept
        return self.answer(201, headers={"Etag": f'"{kept.etag}"' if kept.names else kept.etag})

    def is_as_said(self, part):
        path = part["path"].lstrip("/")
        if path not in self.server.objects or self.server.objects[path].etag != part["etag"]:
            return False
        data = self.server.bytes_of(path)
        return data is not None and len(data) == part["size_bytes"] > 0

    def get_object(self, path, query, body):
        if path not in self.server.objects:
            return self.answer(404)
        data = self.server.bytes_of(path)
        if data is None:
            return self.answer(409)
        kept = self.server.objects[path]
        headers = {"Etag": kept.etag, "Last-Modified": email.utils.formatdate(kept.changed, usegmt=True)}
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if match is None or self.fault == "whole":
            return self.answer(200, data, headers)
        start, end = int(match[1]), min(int(match[2]) + 1, len(data))
        if start >= len(data):
            return self.answer(416)
        return self.answer(206, data[start:end], {**headers, "Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})

    head_object = get_object

    def delete_object(self, path, query, body):
        return self.answer(204 if self.server.objects.pop(path, None) else 404)

    def answer(self, status, data=b"", headers=()):
        if self.fault == "lose":
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if self.fault == "half" else data)
        self.close_connection = self.close_connection or self.fault == "half"

    def log_message(self, *_):
        pass
