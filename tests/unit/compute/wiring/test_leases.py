"""Reading dnsmasq's leases, and ending one in its guest's stead."""

from __future__ import annotations

from nova_lite.compute.wiring import leases
from nova_lite.compute.wiring.leases import Lease

FILE = """1700000000 fa:16:3e:00:00:01 10.99.0.10 vm 01:fa:16:3e:00:00:01
1700000000 fa:16:3e:00:00:02 10.99.0.11 * *
duid 00:01:00:01
"""


def test_leases_are_read_and_other_lines_left_out(tmp_path):
    (tmp_path / "leases").write_text(FILE)

    first, second = leases.read(tmp_path / "leases")

    assert first.ip_address == "10.99.0.10"
    assert first.client_id == bytes.fromhex("01fa163e000001")
    assert second.client_id == b""


def test_no_file_is_no_lease(tmp_path):
    assert leases.read(tmp_path / "leases") == ()


def test_a_release_names_address_card_server_and_client():
    lease = Lease(mac_address="fa:16:3e:00:00:01", ip_address="10.99.0.10", client_id=b"\x01\x02")

    sent = leases.message(lease, "10.99.0.1")

    assert sent[12:16] == bytes([10, 99, 0, 10])
    assert sent[28:34] == bytes.fromhex("fa163e000001")
    assert sent[236:240] == bytes.fromhex("63825363")
    assert sent[240:] == bytes([53, 1, 7, 54, 4, 10, 99, 0, 1, 61, 2, 1, 2, 255])
