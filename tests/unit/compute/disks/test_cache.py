"""The image cache: one download, checked, healed, converted by its recorded format, and cleared when room is short."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
import time

import pytest
from unit.compute.stage import spec

from nova_lite import errors
from nova_lite.compute.disks import cache as module
from nova_lite.compute.disks.cache import ImageCache
from nova_lite.compute.disks.root import GuestDisks
from nova_lite.compute.disks.tool import DiskError, run
from nova_lite.image.client import ImageDamaged, Stopped
from nova_lite.model.guest import SWAP, BlankDisk
from nova_lite.model.image import ImageSource

DATA = b"an image" * 1000
needs_qemu_img = pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")


def source(data=DATA, disk_format="raw", virtual=None):
    return ImageSource(
        image_id="cccccccc-0000-4000-8000-000000000001",
        sha512=hashlib.sha512(data).hexdigest(),
        size_bytes=len(data),
        virtual_size_bytes=virtual or len(data),
        disk_format=disk_format,
        url="http://127.0.0.1/none",
        ticket="t",
    )


class Store:
    def __init__(self):
        self.data, self.fetched, self.delay_s, self.error = {}, 0, 0.0, None

    def put(self, data):
        self.data[hashlib.sha512(data).hexdigest()] = data

    def fetch(self, one, target, stop):
        self.fetched += 1
        if self.error:
            raise self.error
        if stop.wait(self.delay_s):
            raise Stopped
        assert not target.exists()
        target.write_bytes(self.data[one.sha512])


@pytest.fixture
def store():
    built = Store()
    built.put(DATA)
    return built


@pytest.fixture
def in_use():
    return set()


@pytest.fixture
def cache(tmp_path, store, in_use):
    return ImageCache(tmp_path / "images", lambda: in_use, fetch=store.fetch)


def go():
    return threading.Event()


def test_an_image_is_downloaded_once(cache, store):
    first = cache.ensure(source(), go())
    second = cache.ensure(source(), go())

    assert first == second
    assert first.format == "raw"
    assert first.path.read_bytes() == DATA
    assert store.fetched == 1


def test_many_who_want_it_at_once_wait_for_one_download(cache, store):
    store.delay_s = 0.3
    threads = [threading.Thread(target=cache.ensure, args=(source(), go())) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.fetched == 1


def test_who_waits_for_anothers_download_can_be_stopped(cache, store):
    store.delay_s = 5.0
    others, mine = go(), go()
    thread = threading.Thread(target=lambda: pytest.raises(Stopped, cache.ensure, source(), others))
    thread.start()
    time.sleep(0.1)
    mine.set()

    with pytest.raises(Stopped):
        cache.ensure(source(), mine)

    others.set()
    thread.join()


def test_a_damaged_image_is_brought_anew(cache, store):
    path = cache.ensure(source(), go()).path
    path.write_bytes(b"damaged" + DATA[7:])

    healed = cache.ensure(source(), go())

    assert healed.path.read_bytes() == DATA
    assert store.fetched == 2


def test_an_image_that_was_only_touched_is_kept(cache, store):
    path = cache.ensure(source(), go()).path
    os.utime(path, (1, 1))

    cache.ensure(source(), go())

    assert store.fetched == 1


def test_an_image_whose_sheet_was_lost_with_the_daemon_is_kept(cache, store):
    path = cache.ensure(source(), go()).path
    path.with_suffix(".json").unlink()

    cache.ensure(source(), go())

    assert store.fetched == 1


def test_a_format_that_nobody_boots_is_refused_before_any_download(cache, store):
    with pytest.raises(DiskError) as refusal:
        cache.ensure(source(disk_format="ploop"), go())

    assert (refusal.value.code, refusal.value.host_at_fault) == ("image_format", False)
    assert store.fetched == 0


@pytest.mark.parametrize(
    ("error", "host_at_fault"),
    [
        (ImageDamaged(), False),
        (errors.NotFound(), False),
        (errors.Unauthorized(), False),
        (errors.InsufficientStorage(), True),
        (errors.Unavailable(), True),
    ],
)
def test_a_failed_download_says_whose_fault_it_is(cache, store, error, host_at_fault):
    store.error = error

    with pytest.raises(DiskError) as refusal:
        cache.ensure(source(), go())

    assert refusal.value.host_at_fault is host_at_fault


def test_the_longest_unused_images_go_first_and_those_in_use_stay(cache, store, in_use):
    images = [bytes([number]) * 100_000 for number in range(3)]
    for number, data in enumerate(images):
        store.put(data)
        path = cache.ensure(source(data), go()).path
        os.utime(path.with_suffix(".json"), (number + 1, number + 1))
    in_use.add(source(images[0]).sha512)

    freed = cache.remove_unused(1)

    assert freed >= 100_000
    left = {path.stem for path in path.parent.glob("*.raw")}
    assert left == {source(images[0]).sha512, source(images[2]).sha512}


def test_a_full_disk_is_the_hosts_fault(cache, monkeypatch):
    monkeypatch.setattr(module, "free_bytes", lambda folder: 0)

    with pytest.raises(DiskError) as refusal:
        cache.ensure(source(), go())

    assert (refusal.value.code, refusal.value.host_at_fault) == ("insufficient_storage", True)


@needs_qemu_img
def test_other_formats_are_converted_as_recorded(cache, store, tmp_path):
    raw, vmdk = tmp_path / "a.raw", tmp_path / "a.vmdk"
    raw.write_bytes(b"\1" * 65536)
    run(["qemu-img", "convert", "-f", "raw", "-O", "vmdk", str(raw), str(vmdk)], timeout_s=30, stop=go())
    store.put(vmdk.read_bytes())

    made = cache.ensure(source(vmdk.read_bytes(), "vmdk", 65536), go())

    assert made.format == "qcow2"
    back = tmp_path / "back.raw"
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(made.path), str(back)], timeout_s=30, stop=go())
    assert back.read_bytes() == raw.read_bytes()
    assert [path.suffix for path in sorted(made.path.parent.iterdir())] == [".json", ".qcow2"]


@needs_qemu_img
def test_the_root_disk_is_laid_over_the_image_and_has_the_flavors_size(cache, tmp_path):
    disks = GuestDisks(tmp_path / "disks", cache)

    root, *others = disks.ensure(spec(image=source(), root_gib=2), go())

    shown = subprocess.run(["qemu-img", "info", str(root.path)], capture_output=True, text=True, check=True).stdout
    assert "virtual size: 2 GiB" in shown
    assert str(root.base) in shown and "backing file format: raw" in shown
    assert root.path.stat().st_mode & 0o077 == 0
    assert others == []


@needs_qemu_img
def test_disks_that_are_there_stay_as_they_are(cache, tmp_path):
    disks = GuestDisks(tmp_path / "disks", cache)
    wanted = spec(image=source(), root_gib=1, swap_mib=16, config_drive=True)
    before = [(disk.path, disk.path.stat().st_ino) for disk in disks.ensure(wanted, go())]

    after = [(disk.path, disk.path.stat().st_ino) for disk in disks.ensure(wanted, go())]

    assert before == after
    assert [path.name for path, _ in before] == ["root.qcow2", "swap.raw", "config.iso"]


@needs_qemu_img
def test_blank_disks_that_are_asked_for_take_the_place_of_the_flavors(cache, tmp_path):
    disks = GuestDisks(tmp_path / "disks", cache)
    asked = (BlankDisk(size_mib=8, format="ext2"), BlankDisk(size_mib=16), BlankDisk(size_mib=4, format=SWAP))

    _, *blank = disks.ensure(spec(image=source(), root_gib=1, ephemeral_gib=9, swap_mib=99, blank_disks=asked), go())

    assert [(disk.path.name, disk.path.stat().st_size >> 20) for disk in blank] == [
        ("ephemeral.raw", 8),
        ("ephemeral1.raw", 16),
        ("swap.raw", 4),
    ]
    labels = [disk.path.read_bytes()[0x478:0x488].rstrip(b"\0") for disk in blank[:2]]
    journals = [bool(disk.path.read_bytes()[0x45C] & 4) for disk in blank[:2]]  # ext2 has none
    assert (labels, journals) == ([b"ephemeral0", b"ephemeral1"], [False, True])


@needs_qemu_img
def test_no_blank_disk_is_made_when_none_is_wanted(cache, tmp_path):
    disks = GuestDisks(tmp_path / "disks", cache)

    made = disks.ensure(spec(image=source(), root_gib=1, swap_mib=99, blank_disks=()), go())

    assert [disk.path.name for disk in made] == ["root.qcow2"]


def test_a_server_without_an_image_is_refused(cache, tmp_path):
    with pytest.raises(DiskError) as refusal:
        GuestDisks(tmp_path / "disks", cache).ensure(spec(), go())

    assert (refusal.value.code, refusal.value.host_at_fault) == ("no_image", False)


def test_disks_are_removed_and_may_be_removed_again(cache, tmp_path):
    disks = GuestDisks(tmp_path / "disks", cache)
    disks.folder_of("x").mkdir()
    (disks.folder_of("x") / "root.qcow2").write_bytes(b"x")

    disks.remove("x")
    disks.remove("x")

    assert list((tmp_path / "disks").iterdir()) == []


def test_a_program_that_fails_hangs_or_is_missing_ends_in_words():
    began = time.monotonic()
    stop = go()
    threading.Timer(0.2, stop.set).start()

    with pytest.raises(DiskError):
        run(["false"], timeout_s=10, stop=go())
    with pytest.raises(DiskError):
        run(["sleep", "60"], timeout_s=0.2, stop=go())
    with pytest.raises(DiskError):
        run(["no-such-program-at-all"], timeout_s=10, stop=go())
    with pytest.raises(Stopped):
        run(["sleep", "60"], timeout_s=10, stop=stop)

    assert time.monotonic() - began < 10
