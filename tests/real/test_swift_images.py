"""A real api on a real Swift: kills in the middle of uploads, an outage of Swift, and nothing left behind."""

from __future__ import annotations

import hashlib
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from faults.small_api import SmallApi
from real.swift import KEY, USER, Swift, reason_against

from nova_lite.cli.image_download import Download
from nova_lite.cli.image_upload import Upload
from nova_lite.image.stores.registry import make_store
from nova_lite.image.stores.swift import SwiftStore

pytestmark = [pytest.mark.swift, pytest.mark.slow]
MIB = 1 << 20
SIZE = 70 * MIB + 12_345  # three segments and a piece
RAW = {"name": "big", "disk_format": "raw", "container_format": "bare"}


class Unseen:
    """A meter that shows nothing, and tells how far it is to whoever wants to act then."""

    def __init__(self, act: Callable[[int], None] = lambda done: None) -> None:
        self.at = act

    def begin(self, total: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def end(self) -> None:
        pass


@pytest.fixture(scope="module")
def swift() -> Iterator[Swift]:
    why_not = reason_against()
    if why_not:
        pytest.skip(why_not)
    server = Swift()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def url(swift: Swift, tmp_path_factory) -> str:
    """The URL of the store."""
    path = tmp_path_factory.mktemp("credentials") / "swift.ini"
    path.touch(mode=0o600)
    path.write_text(f"[swift]\nuser = {USER}\nkey = {KEY}\n")
    return f"swift://images?auth_url={swift.auth_url}&credentials={path}"


@pytest.fixture(scope="module")
def store(url: str) -> SwiftStore:
    made = make_store(url)
    made.api._call("PUT", None)
    return made


@pytest.fixture(scope="module")
def api(url: str, store: SwiftStore, tmp_path_factory) -> Iterator[SmallApi]:
    made = SmallApi(tmp_path_factory.mktemp("api"), {"OS_IMAGE__STORE": url})
    yield made
    made.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(random.Random(8).randbytes(SIZE))
    return path


def everything(store: SwiftStore) -> list[str]:
    return [one.name for one in store.api.entries("")]


def of_file(path: Path) -> str:
    return hashlib.sha512(path.read_bytes()).hexdigest()


def wait_for(what: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_an_upload_by_parts_through_kills_has_the_right_hash_and_leaves_nothing(api, store, source, tmp_path):
    line, target = api.line(), tmp_path / "target"
    image_id, ends = line.create(RAW), [5 * MIB, 30 * MIB, 65 * MIB, SIZE]

    def kill_at(done: int) -> None:
        if ends and done >= ends[0]:
            ends.pop(0)
            api.kill()
            api.start()

    Upload(line, image_id, source, Unseen(kill_at)).run()
    Download(line, image_id, target, Unseen()).run()

    assert (line.show(image_id)["status"], ends) == ("active", [])
    assert line.show(image_id)["os_hash_value"] == of_file(source) == of_file(target)
    assert not [name for name in everything(store) if name.startswith("alive/") or name.endswith("begun")]
    line.delete(image_id)
    assert everything(store) == []


def test_a_whole_upload_whose_api_is_killed_leaves_nothing_and_may_come_again(api, store, source):
    line = api.line()
    image_id = line.create(RAW)
    head = (
        f"PUT /image/v2/images/{image_id}/file HTTP/1.1\r\nHost: cloud\r\nX-Auth-Token: {api.token}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {SIZE}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as connection:
        connection.sendall(head.encode() + bytes(50 * MIB))
        wait_for(lambda: sum(name.startswith("segments/") for name in everything(store)) == 2)
        before = line.show(image_id)["status"]
        api.kill()
    left = len(everything(store))

    api.start()

    assert (before, left) == ("saving", 3)
    wait_for(lambda: everything(store) == [])  # beside the first requests: a store may be slow
    assert line.show(image_id)["status"] == "queued"
    with source.open("rb") as file:
        headers = {"X-Auth-Token": api.token, "Content-Type": "application/octet-stream"}
        assert requests.put(f"{api.url}/image/v2/images/{image_id}/file", data=file, headers=headers, timeout=120).ok
    assert line.show(image_id)["os_hash_value"] == of_file(source)
    line.delete(image_id)
    assert everything(store) == []


def test_a_swift_that_stays_away_in_the_middle_is_503_and_the_upload_goes_on_afterwards(api, store, swift, source, tmp_path):
    line, target = api.line(), tmp_path / "target"
    image_id, data = line.create(RAW), source.read_bytes()

    def put(start: int, end: int) -> requests.Response:
        headers = {
            "X-Auth-Token": api.token, "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes {start}-{end - 1}/{SIZE}",
        }  # fmt: skip
        address = f"{api.url}/image/v2/images/{image_id}/file"
        return requests.put(address, data=data[start:end], headers=headers, timeout=120, allow_redirects=False)

    first = put(0, 30 * MIB)
    swift.stop()
    away = put(30 * MIB, SIZE)
    swift.start()
    last = put(30 * MIB, SIZE)
    Download(line, image_id, target, Unseen()).run()

    assert (first.status_code, away.status_code, last.status_code) == (308, 503, 204)
    assert of_file(target) == of_file(source)
    assert KEY not in (api.folder / "log").read_text(encoding="utf-8") + away.text
    line.delete(image_id)
    assert everything(store) == []
