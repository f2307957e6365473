"""Places of guests on a host's processors: no two guests on one, and each guest where it was."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from nova_lite.compute.pins import NoPlaceError, Pin, PinBook, Placing, choose
from nova_lite.model.hardware.guest import PLAIN, NumaCell
from nova_lite.model.hardware.host import HostNode

NODES = (HostNode(id=0, cpus=(0, 1, 2, 3), ram_mib=4096), HostNode(id=1, cpus=(4, 5, 6, 7), ram_mib=2048))
KEPT = (2, 3, 4, 5, 6)


def pinned(count, *cells):
    return dataclasses.replace(PLAIN, dedicated=tuple(range(count)), cells=cells)


def cell(first, last, ram_mib=512):
    return NumaCell(cpus=tuple(range(first, last + 1)), ram_mib=ram_mib)


def on(place):
    return [pin.pcpu for pin in place.pins]


@pytest.fixture
def book(tmp_path):
    return PinBook(tmp_path / "pins.json")


@pytest.mark.parametrize(
    ("hardware", "free", "pcpus", "nodes"),
    [
        (pinned(2), KEPT, [2, 3], ()),  # the smaller of the nodes that suffice
        (pinned(3), KEPT, [4, 5, 6], ()),
        (pinned(4), KEPT, [2, 3, 4, 5], ()),  # none suffices: two together
        (pinned(2, cell(0, 0), cell(1, 1)), KEPT, [2, 4], (0, 1)),
        (pinned(4, cell(0, 0), cell(1, 3)), KEPT, [2, 4, 5, 6], (0, 1)),
        (pinned(4, cell(0, 2), cell(3, 3)), KEPT, [4, 5, 6, 2], (1, 0)),
        (pinned(0, cell(0, 1, 4096)), (), [], (0,)),
        (dataclasses.replace(pinned(0, cell(0, 1), cell(2, 3)), dedicated=(1, 3)), KEPT, [2, 4], (0, 1)),
    ],
)
def test_processors_are_chosen(hardware, free, pcpus, nodes):
    place = choose(hardware, NODES, free)

    assert (on(place), place.nodes) == (pcpus, nodes)
    assert tuple(pin.vcpu for pin in place.pins) == hardware.dedicated


@pytest.mark.parametrize(
    ("hardware", "words"),
    [
        (pinned(6), "6 dedicated CPUs are asked for, 5 are left"),
        (pinned(6, cell(0, 2), cell(3, 5)), "No NUMA nodes of the host"),
        (pinned(0, cell(0, 0), cell(1, 1), cell(2, 2)), "No NUMA nodes of the host"),
        (pinned(0, cell(0, 0, 9999)), "No NUMA nodes of the host"),
    ],
)
def test_what_does_not_lie_as_needed_is_said(hardware, words):
    with pytest.raises(NoPlaceError, match=words):
        choose(hardware, NODES, KEPT)


def test_a_guest_without_wishes_has_no_place_and_no_file(book, tmp_path):
    assert book.place("s1", PLAIN, NODES, KEPT) == Placing()
    assert list(tmp_path.iterdir()) == []


def test_a_guest_keeps_its_place_over_a_restart_of_the_daemon(book, tmp_path):
    first = book.place("s1", pinned(2), NODES, KEPT)
    book.place("s2", pinned(2), NODES, KEPT)

    again = PinBook(tmp_path / "pins.json").place("s1", pinned(2), NODES, KEPT)

    assert again == first == Placing(pins=(Pin(vcpu=0, pcpu=2), Pin(vcpu=1, pcpu=3)))


def test_a_place_that_serves_no_more_is_chosen_anew(book):
    book.place("s1", pinned(2), NODES, KEPT)

    assert on(book.place("s1", pinned(3), NODES, KEPT)) == [4, 5, 6]
    assert on(book.place("s1", pinned(3), NODES, (0, 1, 2))) == [0, 1, 2]


def test_what_was_released_is_given_again(book):
    book.place("s1", pinned(5), NODES, KEPT)
    with pytest.raises(NoPlaceError):
        book.place("s2", pinned(1), NODES, KEPT)

    book.release("s1")
    book.release("s1")

    assert on(book.place("s2", pinned(1), NODES, KEPT)) == [2]


def test_of_guests_that_come_at_once_no_two_get_one_processor(book):
    node = HostNode(id=0, cpus=tuple(range(40)), ram_mib=4096)
    found, refused = [], []

    def place(number):
        try:
            found.extend(on(book.place(f"s{number}", pinned(3), (node,), range(32))))
        except NoPlaceError:
            refused.append(number)

    threads = [threading.Thread(target=place, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == len(set(found)) == 30
    assert len(refused) == 2
