"""A root disk that lies on no image: a copy of the one it began with, which may be gone afterwards."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import threading

import pytest
from unit.compute.disks.test_cache import DATA, source
from unit.compute.stage import SERVER, spec

from nova_lite.compute.disks.cache import ImageCache
from nova_lite.compute.disks.moving import MovingDisks
from nova_lite.compute.disks.root import GIB, GuestDisks
from nova_lite.compute.disks.tool import DiskError

pytestmark = pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")
GO_ON = threading.Event()
FLAT = spec(SERVER, image=source(), root_gib=1, flat=True)
GONE = dataclasses.replace(FLAT, image=None)


def disks_in(folder):
    def fetch(one, target, _stop):
        assert one.sha512 == hashlib.sha512(DATA).hexdigest()
        target.write_bytes(DATA)

    return GuestDisks(folder / "disks", ImageCache(folder / "images", set, fetch=fetch))


def info(path):
    return json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", str(path)], timeout=20))


def content(path, folder):
    raw = folder / "content.raw"
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(path), str(raw)], check=True, timeout=20)
    with raw.open("rb") as file:
        return file.read(len(DATA))


def test_it_begins_as_the_image_and_does_not_need_it_any_more(tmp_path):
    disks = disks_in(tmp_path)

    (root,) = disks.ensure(FLAT, GO_ON)
    shutil.rmtree(tmp_path / "images")

    assert root.base is None and "backing-filename" not in info(root.path)
    assert info(root.path)["virtual-size"] == GIB
    assert content(root.path, tmp_path) == DATA
    assert disks.ensure(GONE, GO_ON) == (root,)


def test_it_moves_without_an_image_and_grows(tmp_path):
    here, there = disks_in(tmp_path / "here"), disks_in(tmp_path / "there")
    (root,) = here.ensure(FLAT, GO_ON)
    larger = dataclasses.replace(GONE, root_gib=2)

    MovingDisks(there).bring(larger, lambda folder: shutil.copy(root.path, folder), GO_ON)

    (moved,) = there.ensure(larger, GO_ON)
    assert moved.base is None and "backing-filename" not in info(moved.path)
    assert info(moved.path)["virtual-size"] == 2 * GIB
    assert content(moved.path, tmp_path) == DATA


def test_where_another_host_fills_it_it_begins_empty(tmp_path):
    (root,) = disks_in(tmp_path).ensure(GONE, GO_ON)

    assert info(root.path)["virtual-size"] == GIB
    assert content(root.path, tmp_path) == bytes(len(DATA))


def test_without_image_and_size_there_is_no_disk(tmp_path):
    with pytest.raises(DiskError, match="no image"):
        disks_in(tmp_path).ensure(dataclasses.replace(GONE, root_gib=0), GO_ON)
