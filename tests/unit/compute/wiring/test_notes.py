"""What the wiring writes down before it makes it."""

from __future__ import annotations

import pytest

from nova_lite.compute.wiring.notes import Notes, Plugged
from nova_lite.compute.wiring.plan import extended
from nova_lite.model.guest import GuestInterface
from nova_lite.model.ids import NetworkId, PortId, ServerId

SERVER = ServerId("00000001-5555-4000-8000-000000000000")


def plugged(tap: str) -> Plugged:
    interface = GuestInterface(
        port_id=PortId("00000001-0000-4000-8000-000000000000"),
        network_id=NetworkId("11111111-0000-4000-8000-000000000000"),
        bridge="nova-lite0",
        mac_address="fa:16:3e:00:00:01",
        ip_address="10.99.0.9",
        prefix_length=24,
        gateway_ip="10.99.0.1",
    )
    return Plugged(tap=tap, interface=interface)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "wiring"


def test_an_interface_is_found_after_a_restart_once_although_noted_twice(folder):
    for _ in range(2):
        Notes(folder).add(SERVER, plugged("nl1"))
    Notes(folder).add(SERVER, plugged("nl2"))

    assert Notes(folder).plugged(SERVER) == (plugged("nl1"), plugged("nl2"))
    assert tuple(Notes(folder).all_plugged()) == (plugged("nl1"), plugged("nl2"))


def test_a_note_that_was_being_written_when_the_daemon_died_is_not_read(folder):
    Notes(folder).add(SERVER, plugged("nl1"))
    (folder / "servers" / SERVER / ".nl2").write_text("{")

    assert Notes(folder).plugged(SERVER) == (plugged("nl1"),)


def test_nothing_is_known_where_nothing_was_noted(folder):
    notes = Notes(folder)

    assert (notes.bridges(), notes.addresses("nova-lite0"), notes.plugged(SERVER), tuple(notes.all_plugged())) == ((),) * 4


def test_addresses_are_added_to_those_that_are_known(folder):
    notes = Notes(folder)
    notes.add_addresses("nova-lite0", ["10.99.0.1/24"])
    notes.add_addresses("nova-lite0", ["169.254.169.254/32", "10.99.0.1/24"])
    notes.add_addresses("nova-lite0", [])

    assert notes.addresses("nova-lite0") == ("10.99.0.1/24", "169.254.169.254/32")
    assert notes.bridges() == ("nova-lite0",)


def test_what_was_removed_is_forgotten_and_may_be_removed_again(folder):
    notes = Notes(folder)
    notes.add(SERVER, plugged("nl1"))
    for _ in range(2):
        notes.remove(SERVER)
    assert notes.plugged(SERVER) == ()

    for _ in range(2):
        notes.remove_all()
    assert not folder.exists()


def test_a_plan_is_found_after_a_restart_and_goes_with_its_network(folder):
    assert Notes(folder).plan("nlb0") is None
    plan = extended(None, plugged("nl1").interface, 7)

    Notes(folder).write_plan("nlb0", plan)

    assert Notes(folder).plan("nlb0") == plan
    for _ in range(2):
        Notes(folder).remove_bridge("nlb0")
    assert (Notes(folder).plan("nlb0"), Notes(folder).bridges()) == (None, ())


def test_interfaces_are_listed_by_their_bridge(folder):
    Notes(folder).add(SERVER, plugged("nl1"))

    assert Notes(folder).plugged_on("nova-lite0") == (plugged("nl1"),)
    assert Notes(folder).plugged_on("nlb0") == ()


def test_one_interface_is_forgotten_and_may_be_again(folder):
    Notes(folder).add(SERVER, plugged("nl1"))
    Notes(folder).add(SERVER, plugged("nl2"))

    for _ in range(2):
        Notes(folder).remove_one(SERVER, "nl1")

    assert Notes(folder).plugged(SERVER) == (plugged("nl2"),)
