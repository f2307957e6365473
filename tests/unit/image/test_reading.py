"""Reading goes on in another copy from the byte where a store failed: nothing twice, nothing lost."""

from __future__ import annotations

import random
import socket
import threading

import pytest

from nova_lite import errors
from nova_lite.api import worker
from nova_lite.api.transfers import Transfers
from nova_lite.api.worker import PatientSocket
from nova_lite.image.reading import Reading
from nova_lite.image.stores.base import key_of
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.stores.several import Stores
from nova_lite.image.usage import Counted

SIZE = 300_007
DATA = random.Random(8).randbytes(SIZE)
ID = "00000000-0000-0000-0000-00000000000{}"


class Failing(FilesystemStore):
    """A store that gives `left` bytes, then fails (or says that this was the end); None: all it is asked for."""

    left = None
    ends = seekable = False
    given = 0

    def open(self, location, start, length):
        file = super().open(location, start, length)
        return file if self.seekable else Part(self, file)


class Part:
    def __init__(self, store, file):
        self.store, self.file, self.close = store, file, file.close

    def read(self, size=-1):
        if self.store.left is not None:
            size = self.store.left if size < 0 else min(size, self.store.left)
            if not size and not self.store.ends:
                raise errors.Unavailable("away", what="a store")
        data = self.file.read(size) if size else b""
        self.store.given += len(data)
        if self.store.left is not None:
            self.store.left -= len(data)
        return data


@pytest.fixture
def stores(tmp_path):
    return {name: Failing(tmp_path / name, name=name) for name in ("a", "b", "c")}


@pytest.fixture
def places(stores):
    found = []
    for number, store in enumerate(stores.values()):
        writing = store.begin(key_of(ID.format(0), ID.format(number)), None)
        writing.append(DATA)
        found.append(writing.finalize())
        writing.close()
    return found


@pytest.fixture
def reading(stores, places):
    """Give the function that opens a part of the three copies."""
    return lambda start=0, length=SIZE: Reading(Stores(tuple(stores.values())), places, start, length)


def pieces(file, size):
    return b"".join(iter(lambda: file.read(size), b""))


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_whichever_stores_fail_wherever_each_byte_comes_once(stores, reading, seed, ends):
    chance = random.Random(seed)
    start = chance.randrange(len(DATA) // 2)
    length = chance.randrange(1, len(DATA) - start)
    for name in ("a", "b"):
        stores[name].left, stores[name].ends = chance.choice([0, 1, chance.randrange(length)]), ends
    promised = min(stores["a"].left, length), min(stores["b"].left, length)

    file = reading(start, length)
    data = pieces(file, chance.choice([1000, 65536, -1]))
    file.close()

    assert data == DATA[start : start + length]
    assert sum(store.given for store in stores.values()) == length
    first = promised[0]
    second = min(promised[1], length - first)
    assert [store.given for store in stores.values()] == [first, second, length - first - second]


def test_what_no_copy_has_is_told_with_the_reason_and_what_came_was_right(stores, reading):
    for store in stores.values():
        store.left = 1000
    file, got = reading(), b""

    with pytest.raises(errors.Unavailable):
        while data := file.read(700):
            got += data

    assert got == DATA[:3000]


def test_other_places_are_asked_for_only_when_one_fails(stores, places):
    asked = []

    def lazily():
        for place in places:
            asked.append(place)
            yield place

    file = Reading(Stores(tuple(stores.values())), lazily(), 0, len(DATA))
    assert pieces(file, 65536) == DATA
    assert asked == places[:1]


def sent(file, count):
    """Send as the API's worker does; give what arrived, and what was counted."""
    counted, ours_client = [], socket.socketpair()
    patient, client = PatientSocket(fileno=ours_client[0].detach()), ours_client[1]
    patient.setblocking(True)
    wrapped, got = Counted(Transfers().held(file), counted.append), bytearray()

    def take():
        while data := client.recv(65536):
            got.extend(data)

    reader = threading.Thread(target=take)
    with patient:
        reader.start()
        wrapped.fileno()
        patient.sendfile(wrapped, offset=wrapped.tell(), count=count)
        wrapped.close()
    reader.join(30)
    client.close()
    return bytes(got), counted


@pytest.mark.parametrize("cut", [0, 1, 70_000, 299_999])
@pytest.mark.parametrize("last", ["file", "other"])
def test_the_kernel_sends_on_from_another_copy_where_a_file_ends_early(stores, places, reading, tmp_path, cut, last):
    stores["a"].seekable, stores["b"].seekable = True, last == "file"
    [path] = [path for path in (tmp_path / "a").rglob("*") if path.is_file() and path.stat().st_size == len(DATA)]
    file = reading(5, len(DATA) - 5)
    with path.open("r+b") as held:
        held.truncate(5 + cut)

    got, counted = sent(file, len(DATA) - 5)

    assert got == DATA[5:]
    assert counted == [len(DATA) - 5]


def test_the_kernel_sends_on_where_reading_a_file_fails(stores, reading, monkeypatch):
    stores["a"].seekable = stores["b"].seekable = True
    file, real, calls = reading(), worker.os.sendfile, []

    def failing(out, number, offset, size):
        calls.append(offset)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return real(out, number, offset, min(size, 50_000))

    monkeypatch.setattr(worker.os, "sendfile", failing)

    assert sent(file, len(DATA)) == (DATA, [len(DATA)])
    assert len(calls) > 3


def test_who_stops_reading_is_given_up_with_that_reason_though_the_rest_is_in_no_file(stores, reading, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "SEND_S", 0.2)
    stores["a"].seekable = True
    [path] = [path for path in (tmp_path / "a").rglob("*") if path.is_file() and path.stat().st_size == len(DATA)]
    file = reading()
    with path.open("r+b") as held:
        held.truncate(1000)
    ours, client = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    patient = PatientSocket(fileno=ours.detach())
    patient.setblocking(True)

    with patient, client, pytest.raises(ConnectionResetError):
        patient.sendfile(file, offset=0, count=len(DATA))

    assert not hasattr(file._source, "seek")
    assert 1000 < file.tell() <= len(DATA)
    file.close()
