"""The web server of consoles: pages, TLS, and requests that are none."""

from __future__ import annotations

import socket
import ssl
import urllib.request

import pytest
from unit.console.certificates import make_certificate

from nova_lite import errors
from nova_lite.conf.console import ConsoleOptions
from nova_lite.console.server import ConsoleServer
from nova_lite.console.sessions import Sessions
from nova_lite.console.site import Site


class Nobody:
    """An authority that knows no token; it counts how often it was asked."""

    def __init__(self):
        self.asked = 0

    def redeem(self, token_hash):
        self.asked += 1
        raise errors.Unauthorized

    def review(self, grants):
        raise AssertionError("nothing is open")


@pytest.fixture
def serving():
    servers = []

    def serve(authority, **options):
        server = ConsoleServer(ConsoleOptions(port=0, **options), Site(()), Sessions(authority))
        server.start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.stop()


def say(port, text):
    """Send a request as it stands; give all that comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as client:
        client.sendall(text.replace("\n", "\r\n").encode())
        answer = b""
        while part := client.recv(4096):
            answer += part
    return answer.decode()


HANDSHAKE = "Host: h\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"


def test_a_page_is_a_page(serving):
    port = serving(Nobody()).port

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/vnc_auto.html?path=%3Ftoken%3Dx", timeout=15) as answer:
        assert answer.status == 200
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert b"noVNC" in answer.read()


@pytest.mark.parametrize(
    "request_text",
    [
        f"GET /?token=x HTTP/1.1\n{HANDSHAKE}\n",  # no key
        f"GET /?token=x HTTP/1.1\n{HANDSHAKE}Sec-WebSocket-Key: short\n\n",
        f"GET /?token=x HTTP/1.1\n{HANDSHAKE.replace('13', '12')}Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\n\n",
        f"GET / HTTP/1.1\n{HANDSHAKE}Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\n\n",  # no token
        f"GET /?token= HTTP/1.1\n{HANDSHAKE}Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\n\n",
        f"GET / HTTP/1.1\nCookie: \x01;=;token\n{HANDSHAKE}Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\n\n",
    ],
)
def test_a_token_is_not_touched_before_the_request_is_good(serving, request_text):
    authority = Nobody()
    port = serving(authority).port

    answer = say(port, request_text)

    assert not answer or answer.split()[1] in ("400", "403", "426")
    assert authority.asked == 0


@pytest.mark.parametrize("place", ["query", "cookie"])
def test_a_token_may_come_in_the_query_or_in_a_cookie(serving, place):
    authority = Nobody()
    port = serving(authority).port
    path, cookie = ("/?token=x", "") if place == "query" else ("/websockify", "Cookie: token=x\n")

    answer = say(port, f"GET {path} HTTP/1.1\n{cookie}{HANDSHAKE}Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\n\n")

    assert authority.asked == 1
    assert answer.startswith("HTTP/1.1 403") and answer.endswith("\r\n\r\n")


@pytest.mark.parametrize("text", ["POST / HTTP/1.1\n\n", "nonsense\n\n", f"GET /{'x' * 70000} HTTP/1.1\n\n", "\0\0\0\0\n\n"])
def test_what_is_no_request_ends_its_own_connection_only(serving, text):
    port = serving(Nobody()).port

    try:
        answer = say(port, text)
    except ConnectionError:
        answer = ""

    assert "200" not in answer.partition("\r\n")[0]
    assert say(port, "GET / HTTP/1.1\nHost: h\n\n").startswith("HTTP/1.1 200")


def test_one_option_makes_it_tls(serving, tmp_path):
    server = serving(Nobody(), certificate=make_certificate(tmp_path))
    context = ssl.create_default_context(cafile=tmp_path / "console.pem")

    with urllib.request.urlopen(f"https://localhost:{server.port}/", timeout=15, context=context) as answer:
        assert answer.status == 200
    with pytest.raises(OSError):  # noqa: PT011 - a client without TLS is not spoken to
        urllib.request.urlopen(f"http://localhost:{server.port}/", timeout=15)
    assert ConsoleOptions(certificate=tmp_path / "console.pem").url == "https://127.0.0.1:6080"


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_certificate_that_cannot_be_used_is_said_at_the_start(tmp_path, content):
    path = tmp_path / "console.pem"
    if content:
        path.write_text(content)

    with pytest.raises(errors.ConfigError, match="certificate"):
        ConsoleServer(ConsoleOptions(certificate=path), Site(()), Sessions(Nobody()))


def test_a_port_that_is_taken_is_said_at_the_start(serving):
    port = serving(Nobody()).port

    with pytest.raises(errors.ConfigError, match=str(port)):
        ConsoleServer(ConsoleOptions(port=port), Site(()), Sessions(Nobody())).start()
