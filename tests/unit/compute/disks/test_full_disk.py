"""A disk that is full: the guest's owner is told so, whatever failed of it."""

from __future__ import annotations

import errno
import hashlib
import shutil
import subprocess
import threading
from types import SimpleNamespace

import pytest
from unit.compute.stage import spec

from nova_lite.compute.disks.cache import BaseImage
from nova_lite.compute.disks.root import GuestDisks
from nova_lite.compute.disks.tool import DiskError, saying_when_full
from nova_lite.compute.service import _fault_of
from nova_lite.model.guest import BlankDisk
from nova_lite.model.image import ImageSource


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place]
    if subprocess.run(mount, check=False, capture_output=True, timeout=10).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", "-l", place], check=True, timeout=10)


def fill(folder):
    with (folder / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
        while True:
            file.write(b"x" * 65536)


@pytest.mark.skipif(not shutil.which("qemu-img") or not shutil.which("mkfs.ext4"), reason="needs qemu-img and mkfs.ext4")
@pytest.mark.parametrize("about", ["the root disk", "a blank disk"])
def test_a_guest_that_finds_no_room_is_refused_in_words_and_made_when_there_is_room(small_disk, tmp_path, about):
    data = bytes(1 << 20)
    base = tmp_path / "base.raw"
    base.write_bytes(data)
    image = ImageSource(
        image_id="i", sha512=hashlib.sha512(data).hexdigest(), size_bytes=1 << 20, virtual_size_bytes=1 << 20,
        disk_format="raw", url="http://127.0.0.1", ticket="t",
    )  # fmt: skip
    cache = SimpleNamespace(ensure=lambda source, stop: BaseImage(path=base, format="raw"))
    disks = GuestDisks(small_disk, cache)
    blanks = (BlankDisk(size_mib=64),) if about == "a blank disk" else ()
    wanted = spec(image=image, blank_disks=blanks)
    if about == "a blank disk":
        disks.ensure(spec(image=image), threading.Event())
    fill(small_disk)

    with pytest.raises(DiskError) as refusal:
        disks.ensure(wanted, threading.Event())

    assert (refusal.value.message, refusal.value.code) == ("The host's disk is full.", "insufficient_storage")
    assert refusal.value.host_at_fault
    (small_disk / "filler").unlink()
    assert len(disks.ensure(wanted, threading.Event())) == 1 + len(blanks)


def test_what_fails_for_another_reason_keeps_it(tmp_path):
    with pytest.raises(DiskError, match="another"), saying_when_full(tmp_path):
        raise DiskError("another reason")
    with pytest.raises(PermissionError), saying_when_full(tmp_path):
        raise PermissionError(errno.EACCES, "no")


def test_any_work_on_a_host_that_fails_of_a_full_disk_says_so():
    fault = _fault_of(OSError(errno.ENOSPC, "No space left on device"))

    assert (fault.code, fault.message, fault.host_at_fault) == ("insufficient_storage", "The host's disk is full.", True)
