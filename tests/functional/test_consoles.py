"""From the request for a console to bytes of the guest's, and every way in which that must not work."""

from __future__ import annotations

import json
import logging
import re
import socket
import struct
import threading
import time
import urllib.parse

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from .cloud import running


@pytest.fixture
def cloud(tmp_path, database_url):
    with running(tmp_path, "h1", url=database_url) as cloud:
        yield cloud


def ask(cloud, server_id, protocol="vnc", kind="novnc", **options):
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    return cloud.ask("POST", f"/servers/{server_id}/remote-consoles", body, version="2.6", **options)


def url_of(cloud, server_id, *asked, **options):
    answer = ask(cloud, server_id, *asked, **options)
    assert answer.status_code == 200, answer.text
    return answer.json["remote_console"]["url"]


def websocket_url(url):
    """Give the address of the websocket, as noVNC finds it in its page's."""
    parts = urllib.parse.urlsplit(url)
    inner = urllib.parse.parse_qs(parts.query).get("path", [f"?{parts.query}"])[0]
    return f"ws://{parts.netloc}/{inner}"


def token_of(url):
    return re.search(r"token(?:=|%3D)([\w-]+)", url).group(1)


def opened(url, **options):
    return connect(websocket_url(url), compression=None, open_timeout=20, **options)


def refusal(url, **options):
    with pytest.raises(InvalidStatus) as caught, opened(url, **options):
        pass
    return caught.value.response


def read(websocket, count):
    data = b""
    while len(data) < count:
        data += websocket.recv(20)
    return data


def greet(websocket):
    """Speak RFB's beginning; give the desktop's width, height and name."""
    assert read(websocket, 12) == b"RFB 003.008\n"
    websocket.send(b"RFB 003.008\n")
    assert read(websocket, 2) == b"\x01\x01"
    websocket.send(b"\x01")
    assert read(websocket, 4) == bytes(4)
    websocket.send(b"\x01")
    screen = read(websocket, 24)
    length = struct.unpack(">I", screen[20:24])[0]
    name = screen[24:] + (read(websocket, length) if len(screen) == 24 else b"")
    return (*struct.unpack(">HH", screen[:4]), name.decode())


def ends(websocket, within_s=10.0):
    """Whether the other side ends the connection in that time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            websocket.recv(0.2)
        except TimeoutError:
            continue
        except ConnectionClosed:
            return True
    return False


def test_a_screen_is_seen_and_keys_change_it(cloud):
    cloud.start_console()
    server_id = cloud.boot(cloud.image(), "shown")
    cloud.wait_for(server_id, "ACTIVE")

    with opened(url_of(cloud, server_id), subprotocols=["binary"]) as websocket:
        size = greet(websocket)
        websocket.send(struct.pack(">BBHHHH", 3, 0, 0, 0, *size[:2]))
        before = read(websocket, 16 + 4 * size[0] * size[1])
        websocket.send(struct.pack(">BBHHHH", 3, 1, 0, 0, *size[:2]) + struct.pack(">BBxxI", 4, 1, 0x61))
        after = read(websocket, len(before))

        assert size[2] == "shown" and websocket.subprotocol == "binary"
        assert before[:16] == after[:16] and before[16:] != after[16:]


def test_a_serial_line_shows_what_was_said_and_echoes(cloud):
    cloud.start_console()
    server_id = cloud.boot(cloud.image(), "talks")
    cloud.wait_for(server_id, "ACTIVE")

    url = url_of(cloud, server_id, "serial", "serial")
    with opened(url) as websocket:
        said = read(websocket, 10)
        websocket.send("abc")

        assert url.startswith("ws://") and said.startswith(b"[    0.000000] Linux")
        assert b"abc" in read(websocket, 1)


def test_actions_before_2_6_give_consoles_too(cloud):
    cloud.start_console()
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")

    answer = cloud.ask("POST", f"/servers/{server_id}/action", {"os-getVNCConsole": {"type": "novnc"}})
    serial = cloud.ask("POST", f"/servers/{server_id}/action", {"os-getSerialConsole": {"type": "serial"}})

    assert answer.json["console"]["type"] == "novnc" and serial.json["console"]["type"] == "serial"
    with opened(answer.json["console"]["url"]) as websocket:
        assert greet(websocket)[2] == "s"


def test_a_token_opens_once_also_when_two_come_at_once(cloud):
    cloud.start_console()
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    url = url_of(cloud, server_id)
    outcomes = []

    def come():
        try:
            with opened(url) as websocket:
                outcomes.append(greet(websocket)[2])
        except InvalidStatus as error:
            outcomes.append(error.response.status_code)

    threads = [threading.Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(str, outcomes)) == ["403", "403", "403", "s"]
    assert refusal(url).status_code == 403


def test_a_refusal_has_no_body_that_a_client_could_take_for_a_console(cloud):
    cloud.start_console()
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    good = url_of(cloud, server_id)

    for bad in (good.replace("%3D", "%3Dbad"), good.partition("?")[0], good.replace(token_of(good), "x" * 5000)):
        answer = refusal(bad)
        assert (answer.status_code, answer.body) == (403, b"")
    with opened(good) as websocket:  # it was not used up by the others
        assert greet(websocket)[2] == "s"


def test_a_token_opens_its_own_server_only(cloud):
    cloud.start_console()
    image = cloud.image()
    one, two = cloud.boot(image, "one"), cloud.boot(image, "two")
    for server_id in (one, two):
        cloud.wait_for(server_id, "ACTIVE")
    url = url_of(cloud, one)

    host, path = url.split("/vnc_auto.html")
    with opened(f"{host}/{two}/vnc_auto.html{path}&server={two}") as websocket:
        assert greet(websocket)[2] == "one"


def test_an_expired_token_is_refused_and_forgotten(cloud):
    cloud.start_console(token_lifetime_s=1)
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    url = url_of(cloud, server_id)
    time.sleep(1.2)

    from nova_lite.servers import consoles

    assert refusal(url).status_code == 403
    assert cloud.database.transact(consoles.purge) == 1


def test_another_sites_page_is_refused_and_the_token_stays_good(cloud):
    cloud.start_console(allowed_origins=("dashboard.example",))
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    url = url_of(cloud, server_id)

    for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example", "http://[", "file://"):
        assert refusal(url, origin=origin).status_code == 403, origin
    with opened(url, origin="https://dashboard.example") as websocket:
        assert greet(websocket)[2] == "s"


def test_a_user_who_lost_the_role_opens_nothing_and_is_cut_off(cloud):
    console = cloud.start_console()
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    early, late = url_of(cloud, server_id), url_of(cloud, server_id)

    with opened(early) as websocket:
        greet(websocket)
        console.sessions.review()
        websocket.ping().wait(5)  # it is looked at, and goes on
        take_role_away(cloud)
        console.sessions.review()

        assert ends(websocket)
    assert refusal(late).status_code == 403


def take_role_away(cloud):
    """Take from the user demo the role in the project demo that the tokens of consoles were asked with."""
    headers = cloud.log_in("admin")
    get = lambda path: cloud.client.simulate_get(f"/identity/v3{path}", headers=headers).json  # noqa: E731
    user, project = get("/users?name=demo")["users"][0]["id"], get("/projects?name=demo")["projects"][0]["id"]
    for role in get(f"/projects/{project}/users/{user}/roles")["roles"]:
        path = f"/identity/v3/projects/{project}/users/{user}/roles/{role['id']}"
        assert cloud.client.simulate_delete(path, headers=headers).status_code == 204


@pytest.mark.parametrize("end", ["delete", "stop"])
def test_a_console_ends_with_its_guest(cloud, end):
    cloud.start_console()
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    late = url_of(cloud, server_id)

    with opened(url_of(cloud, server_id)) as websocket:
        greet(websocket)
        if end == "delete":
            cloud.ask("DELETE", f"/servers/{server_id}")
        else:
            cloud.ask("POST", f"/servers/{server_id}/action", {"os-stop": None})

        assert ends(websocket)
    cloud.wait(lambda: (cloud.server(server_id) or {"status": "SHUTOFF"})["status"] == "SHUTOFF", "it is off or gone")
    assert refusal(late).status_code == 403
    assert ask(cloud, server_id).status_code == {"delete": 404, "stop": 409}[end]


def test_a_guest_that_stays_when_its_server_was_deleted_is_cut_off_too(cloud):
    console = cloud.start_console()
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    with opened(url_of(cloud, server_id)) as websocket:
        greet(websocket)
        cloud.behave("h1", json.dumps({"remove_guest": {"fail": {"message": "no"}}}))
        with cloud.database.read() as tx:
            from nova_lite.servers import records

            assert records.get(tx, server_id)
        cloud.database.transact(lambda tx: records.update(tx, server_id, host=None))
        console.sessions.review()

        assert ends(websocket)


def test_of_serial_lines_the_newest_counts(cloud):
    cloud.start_console()
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")

    with opened(url_of(cloud, server_id, "serial", "serial")) as first:
        read(first, 1)
        with opened(url_of(cloud, server_id, "serial", "serial")) as second:
            read(second, 1)

            assert ends(first)
            second.send(b"x")
            assert read(second, 1)


def test_a_huge_frame_ends_the_console_and_nothing_else(cloud):
    cloud.start_console()
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")

    with opened(url_of(cloud, server_id)) as websocket:
        greet(websocket)
        websocket.send(bytes(2 << 20))
        assert ends(websocket)
        assert websocket.close_code == 1009
    with opened(url_of(cloud, server_id)) as websocket:
        assert greet(websocket)[2] == "s"


def test_a_client_that_never_reads_holds_little_and_can_be_cut(cloud):
    console = cloud.start_console()
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    url = urllib.parse.urlsplit(websocket_url(url_of(cloud, server_id)))
    request = (
        f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port)) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.sendall(request.encode())
        for part in (b"RFB 003.008\n", b"\x01", b"\x01"):
            lazy.sendall(masked(part))
            time.sleep(0.1)
        lazy.settimeout(1.0)
        asking = masked(struct.pack(">BBHHHH", 3, 0, 0, 0, 160, 100) * 2000)
        with pytest.raises(TimeoutError):  # 128 MB of pictures were asked for: what is asked stops being taken
            for _ in range(4000):
                lazy.sendall(asking)
        with opened(url_of(cloud, server_id)) as other:
            assert greet(other)[2] == "s"
        began = time.monotonic()
        console.sessions.stop()
        lazy.settimeout(10.0)
        with pytest.raises(OSError):  # noqa: PT011 - however the kernel names it
            while True:
                lazy.sendall(b"x" * 65536)

    assert time.monotonic() - began < 5


def masked(data):
    """Make a binary frame of a client's."""
    length = bytes((0x80 | len(data),)) if len(data) < 126 else bytes((0xFE,)) + struct.pack(">H", len(data))
    return b"\x82" + length + bytes(4) + data


def test_a_token_is_in_no_log_no_message_and_no_row(cloud, caplog):
    caplog.set_level(logging.DEBUG)
    cloud.start_console()
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    url = url_of(cloud, server_id)
    token = token_of(url)
    with cloud.database.read() as tx:
        import sqlalchemy as sa

        rows = str(tx.execute(sa.text("SELECT * FROM console_tokens")).all())

    with opened(url) as websocket:
        greet(websocket)
    refusal(url)
    port = urllib.parse.urlsplit(url).port
    with socket.create_connection(("127.0.0.1", port)) as odd:
        odd.sendall(f"POST /?token={token} HTTP/1.1\r\n\r\n".encode())
        odd.recv(4096)

    said = "\n".join(
        record.getMessage() + str(record.__dict__) for record in caplog.records if "websockets.client" not in record.name
    )
    assert token not in said and token not in rows
    assert token not in repr(cloud.broker.sent)
    assert "A console is open." in said


def test_operators_look_a_token_up_without_using_it(cloud):
    cloud.start_console()
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    url = url_of(cloud, server_id, "serial", "serial")
    path = f"/os-console-auth-tokens/{token_of(url)}"

    old, new, newest = (cloud.ask("GET", path, user="admin", version=version) for version in ("2.30", "2.31", "2.99"))

    assert old.status_code == 401
    assert new.json["console"]["instance_uuid"] == server_id and new.json["console"]["port"] > 0
    assert set(newest.json["console"]) == {"instance_uuid", "host", "port", "internal_access_path", "tls_port"}
    assert cloud.ask("GET", path, version="2.31").status_code == 403
    with opened(url) as websocket:
        read(websocket, 1)
    assert cloud.ask("GET", path, user="admin", version="2.31").status_code == 404


@pytest.mark.parametrize(
    ("protocol", "kind"),
    [("spice", "spice-html5"), ("rdp", "rdp-html5"), ("vnc", "xvpvnc"), ("vnc", "serial"), ("serial", "novnc")],
)
def test_what_is_not_offered_is_refused_by_its_name(cloud, protocol, kind):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")

    answer = ask(cloud, server_id, protocol, kind)

    assert answer.status_code == 400
    assert answer.json["badRequest"]["message"] == f"Unavailable console type {kind}."


def test_a_host_that_does_not_answer_is_said_to_be_away(cloud):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    cloud.behave("h1", json.dumps({"console": {"fail": {"message": "asleep"}}}))

    assert ask(cloud, server_id).status_code == 503
