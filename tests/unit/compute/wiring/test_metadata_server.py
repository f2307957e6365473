"""The metadata service on this machine's own address: who may ask what, how much, and for how long."""

from __future__ import annotations

import http.client
import socket

import pytest

from nova_lite.compute.wiring import metadata
from nova_lite.compute.wiring.metadata import AT_ONCE_EACH, MetadataServer, Specs
from nova_lite.model.guest import PASSWORD_CHARS, GuestInterface, GuestSpec
from nova_lite.model.ids import NetworkId, PortId, ServerId


def spec_at(address: str, server_id: str = "0" * 8 + "-0000-4000-8000-000000000000", bridge: str = "br0") -> GuestSpec:
    interface = GuestInterface(
        port_id=PortId("p1"),
        network_id=NetworkId("n1"),
        bridge=bridge,
        mac_address="fa:16:3e:00:00:01",
        ip_address=address,
        prefix_length=24,
        gateway_ip=None,
    )
    return GuestSpec(
        server_id=ServerId(server_id),
        name="vm",
        hostname="vm",
        project_id="p",
        user_id="u",
        vcpus=1,
        ram_mib=64,
        root_gib=0,
        interfaces=(interface,),
        admin_pass="never told",
    )


@pytest.fixture
def specs():
    return Specs()


@pytest.fixture
def server(specs):
    made = MetadataServer("br0", specs, socket.create_server(("127.0.0.1", 0)))
    made.start()
    yield made
    made.stop()


def ask(server: MetadataServer, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_an_unknown_address_is_told_nothing(server):
    assert ask(server, "/openstack/latest/meta_data.json")[0] == 404


def test_a_known_address_is_told_of_its_guest_but_never_the_password(server, specs):
    specs.put(spec_at("127.0.0.1"))

    status, body = ask(server, "/openstack/latest/meta_data.json")

    assert status == 200
    assert b'"name":"vm"' in body
    assert b"never told" not in body


def test_a_head_request_gets_no_body_and_writing_is_refused(server, specs):
    specs.put(spec_at("127.0.0.1"))

    assert ask(server, "/latest/", "HEAD") == (200, b"")
    assert ask(server, "/latest/api/token", "PUT")[0] == 501


def test_what_was_dropped_is_told_no_more(server, specs):
    spec = spec_at("127.0.0.1")
    specs.put(spec)
    specs.drop(spec.server_id)

    assert ask(server, "/latest/")[0] == 404


def test_an_address_that_went_to_another_guest_tells_of_that_one(specs):
    old, new = spec_at("10.0.0.5", "old"), spec_at("10.0.0.5", "new")
    specs.put(old)
    specs.put(new)
    specs.drop(old.server_id)

    assert specs.of("br0", "10.0.0.5") == new


def test_the_same_address_in_two_networks_is_two_guests(server, specs):
    one, other = spec_at("127.0.0.1"), spec_at("127.0.0.1", "another", bridge="br1")
    specs.put(one)
    specs.put(other)

    assert (specs.of("br0", "127.0.0.1"), specs.of("br1", "127.0.0.1")) == (one, other)
    assert ask(server, "/latest/meta-data/hostname") == (200, b"vm")

    specs.drop(one.server_id)
    assert ask(server, "/latest/meta-data/hostname")[0] == 404


def test_one_guest_holds_only_few_connections(server, specs):
    specs.put(spec_at("127.0.0.1"))
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(AT_ONCE_EACH)]

    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as one_more:
        assert one_more.recv(1) == b""

    for connection in held:
        connection.close()


def test_a_connection_that_dribbles_is_cut(server, monkeypatch):
    monkeypatch.setattr(metadata, "WHOLE_S", 0.2)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as slow:
        slow.sendall(b"GET / HT")

        assert slow.recv(1) == b""


PASSWORD = "/openstack/latest/password"


def post(server, path, content):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("POST", path, body=content)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_a_guest_writes_its_password_and_finds_it_again(server, specs):
    heard = []
    spec = spec_at("127.0.0.1")
    specs.put(spec)
    specs.passwords.listen(lambda server_id, password: heard.append((server_id, password)))
    assert ask(server, PASSWORD) == (200, b"")
    assert b"password" in ask(server, "/openstack/2013-04-04")[1].split()
    assert b"password" not in ask(server, "/openstack/2012-08-10")[1].split()

    assert post(server, PASSWORD, b"abc=") == 200
    assert post(server, "/openstack/2013-04-04/password", b"def=") == 200

    assert heard == [(spec.server_id, "abc="), (spec.server_id, "def=")]
    assert ask(server, PASSWORD) == (200, b"def=")


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        (PASSWORD, b"x" * (PASSWORD_CHARS + 1), 400),
        (PASSWORD, b"x" * 100_000, 400),
        (PASSWORD, "p\u00e4ss".encode(), 400),
        ("/openstack/2012-08-10/password", b"x", 404),
        ("/openstack/latest/user_data", b"x", 404),
        ("/password", b"x", 404),
    ],
)
def test_nothing_else_is_written(server, specs, path, content, status):
    specs.put(spec_at("127.0.0.1"))
    specs.passwords.listen(lambda server_id, password: pytest.fail("nothing is to be heard"))

    assert post(server, path, content) == status


def test_who_is_no_guest_writes_nothing_and_a_guest_waits_until_somebody_listens(server, specs):
    assert post(server, PASSWORD, b"x") == 404

    specs.put(spec_at("127.0.0.1"))

    assert post(server, PASSWORD, b"x") == 503
    assert ask(server, PASSWORD) == (200, b"")
