"""Files from web servers: nothing from inside, nothing endless, nothing by surprise."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import ipaddress
import socket
import threading

import pytest

from nova_lite import errors
from nova_lite.conf.image import WebRules
from nova_lite.image import web

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        answers = {
            "/good": (200, {"Content-Length": "4"}, b"good"),
            "/cut": (200, {"Content-Length": "9"}, b"short"),
            "/gone": (404, {"Content-Length": "0"}, b""),
            "/broken": (503, {"Content-Length": "0"}, b""),
            "/zipped": (200, {"Content-Length": "4", "Content-Encoding": "gzip"}, b"good"),
            "/chunks": (200, {"Transfer-Encoding": "chunked"}, b"4\r\ngood\r\n0\r\n\r\n"),
            "/once": (302, {"Location": "/good", "Content-Length": "0"}, b""),
            "/for-ever": (302, {"Location": "/for-ever", "Content-Length": "0"}, b""),
            "/inside": (302, {"Location": "http://inside.test:{port}/good", "Content-Length": "0"}, b""),
            "/file": (302, {"Location": "file:///etc/passwd", "Content-Length": "0"}, b""),
        }
        status, headers, data = answers[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value.format(port=self.server.server_port))
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def rules(server):
    return WebRules(networks=(LOOPBACK,))


@pytest.fixture
def fetch(server, rules):
    def resolve(host, _port):
        return {"web.test": ["127.0.0.1"], "inside.test": ["10.0.0.1"]}[host]

    def get(path, rules=rules):
        with contextlib.closing(web.open_web(f"http://web.test:{server.server_port}{path}", rules, resolve)) as file:
            return b"".join(iter(lambda: file.read(1 << 20), b""))

    return get


@pytest.mark.parametrize("path", ["/good", "/chunks", "/once"])
def test_a_file_comes_whole(fetch, path):
    assert fetch(path) == b"good"


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("/cut", errors.Unavailable),
        ("/broken", errors.Unavailable),
        ("/gone", errors.BadRequest),
        ("/zipped", errors.BadRequest),
        ("/for-ever", errors.BadRequest),
        ("/inside", errors.BadRequest),
        ("/file", errors.BadRequest),
    ],
)
def test_what_is_wrong_is_refused(fetch, path, failure):
    with pytest.raises(failure):
        fetch(path)


@pytest.mark.parametrize("path", ["/good", "/chunks"])
def test_what_is_too_large_is_cut_off_announced_or_not(fetch, rules, path):
    with pytest.raises(errors.TooLarge):
        fetch(path, dataclasses.replace(rules, largest_bytes=3))


def test_a_slow_server_is_cut_off(fetch, monkeypatch):
    monkeypatch.setattr(web, "WINDOW_S", 0.0)
    monkeypatch.setattr(web, "FLOOR_BYTES_S", 1 << 60)

    with pytest.raises(errors.BadRequest, match="bytes a second"):
        fetch("/good")


def test_a_server_that_never_ends_its_head_is_cut_off(monkeypatch, rules):
    monkeypatch.setattr(web, "HEAD_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        with pytest.raises(errors.Unavailable):
            web.open_web(f"http://web.test:{port}/", rules, lambda *_: ["127.0.0.1"])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/x", "file:///etc/passwd", "http:///x", "//example.org/x", "x", "http://user:word@example.org/",
        "http://example.org:22/", "http://example.org:99999/", "http://[::1", "http://exa mple.org/", "http://example.org/\r\nX: y",
        "http://127.0.0.1/", "http://[::1]/", "http://10.1.2.3/", "http://169.254.169.254/latest", "http://[fe80::1]/",
        "http://[::ffff:10.0.0.1]/", "http://[64:ff9b::a00:1]/", "http://[2002:a00:1::]/", "http://0.0.0.0/", "http://224.0.0.1/",
        "http://100.64.0.1/", "http://[fd00::1]/", "http://ex\u00e4mple.org/",
    ],
)  # fmt: skip
def test_a_url_that_leads_inside_or_nowhere_is_refused_at_once(url):
    with pytest.raises(errors.BadRequest):
        web.check_url(url, WebRules())


@pytest.mark.parametrize("url", ["http://example.org", "https://example.org/a?b=c", "http://93.184.216.34/x"])
def test_a_url_of_the_world_is_taken(url):
    web.check_url(url, WebRules())


def test_another_port_is_for_allowed_networks_only():
    rules = WebRules(networks=(ipaddress.ip_network("10.0.0.0/8"),))

    web.check_url("http://10.1.2.3:8080/", rules)
    with pytest.raises(errors.BadRequest, match="Port 8080"):
        web.check_url("http://93.184.216.34:8080/", rules)
    with pytest.raises(errors.BadRequest, match="not public"):
        web.check_url("http://93.184.216.34/", dataclasses.replace(rules, public=False))


def test_a_name_with_one_address_inside_is_refused_whatever_the_others_are():
    with pytest.raises(errors.BadRequest, match="not public"):
        web.open_web("http://web.test/", WebRules(), lambda *_: ["93.184.216.34", "192.168.0.1"])
