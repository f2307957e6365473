"""Streamed qcow2 images, read back by QEMU's own tool."""

from __future__ import annotations

import io
import json
import random
import subprocess

import pytest

from nova_lite.compute.disks import nbd, qcow2
from nova_lite.compute.disks.tool import DiskError
from nova_lite.image.inspect import Inspection

MIB = 1 << 20
CLUSTER = qcow2.CLUSTER


def written(disk: bytes, extents) -> tuple[qcow2.Layout, bytes]:
    source = io.BytesIO(disk)

    def read(offset, length):
        source.seek(offset)
        return source.read(length)

    layout = qcow2.lay_out(len(disk), extents)
    return layout, b"".join(qcow2.write(layout, read))


def tool(*arguments):
    done = subprocess.run(["qemu-img", *map(str, arguments)], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def disk_with(size: int, *parts: tuple[int, int]) -> bytes:
    chance, disk = random.Random(7), bytearray(size)
    for offset, length in parts:
        disk[offset : offset + length] = chance.randbytes(length)
    return bytes(disk)


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        (MIB, []),
        (MIB, [(0, MIB)]),
        (3 * MIB + 512, [(3 * MIB - 512, 1024)]),
        (515 * MIB, [(0, 10), (511 * MIB, 2 * MIB), (514 * MIB, 5000)]),
        (64 * MIB, [(offset * 2 * CLUSTER, CLUSTER) for offset in range(400)]),
        (512, [(0, 512)]),
    ],
    ids=["empty", "full", "end in a cluster", "over tables", "scattered", "one sector"],
)
def test_the_image_reads_back_as_the_disk_was(tmp_path, size, parts):
    disk = disk_with(size, *parts)
    image, raw = tmp_path / "image", tmp_path / "raw"

    layout, stream = written(disk, parts)
    image.write_bytes(stream)

    assert len(stream) == layout.size_bytes
    tool("check", "-f", "qcow2", image)
    tool("convert", "-f", "qcow2", "-O", "raw", image, raw)
    assert raw.read_bytes() == disk
    found = json.loads(tool("info", "--output=json", "-f", "qcow2", image))
    assert (found["virtual-size"], found.get("backing-filename")) == (size, None)


def test_the_image_service_takes_it_for_what_it_says():
    layout, stream = written(disk_with(2 * MIB, (0, 100)), [(0, 100)])
    inspection = Inspection("qcow2", "bare")

    for start in range(0, len(stream), 1000):
        inspection.feed(stream[start : start + 1000])

    assert inspection.finish().virtual_size_bytes == layout.disk_bytes


def test_holes_are_left_out():
    layout, _ = written(b"", [])
    large = qcow2.lay_out(1 << 40, [(5 * CLUSTER, 1), (900 << 30, CLUSTER + 1)])

    assert layout.size_bytes < 8 * CLUSTER
    assert large.size_bytes < 16 * CLUSTER


def test_an_image_of_more_than_one_refcount_block_fits_its_own_tables():
    layout = qcow2.lay_out(1 << 40, [(0, 1 << 40)])

    assert layout.refcount_blocks * qcow2.REFCOUNTS >= layout.clusters
    assert layout.refcount_table * qcow2.ENTRIES >= layout.refcount_blocks


def test_parts_that_touch_are_one_run():
    layout = qcow2.lay_out(10 * CLUSTER, [(0, 10), (CLUSTER - 10, 20), (2 * CLUSTER, CLUSTER), (5 * CLUSTER, 1)])

    assert layout.runs == (qcow2.Run(0, 3), qcow2.Run(5, 1))


@pytest.fixture
def exported(tmp_path):
    """Give a socket that exports an overlay over a base, as hosts have them."""
    disk = disk_with(8 * MIB, (0, 100), (4 * MIB, 70000))
    base, overlay = tmp_path / "base", tmp_path / "overlay"
    with base.open("wb") as file:
        file.truncate(6 * MIB)
        for offset in (0, 4 * MIB):
            file.seek(offset)
            file.write(disk[offset : offset + 2 * CLUSTER])
    tool("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", overlay, len(disk))
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    path = deep / "export.sock"
    with nbd.short_path(path) as (address, folder):
        command = ["qemu-nbd", "--read-only", "--persistent", "--shared=4", "--export-name=root", "--format=qcow2"]
        process = subprocess.Popen([*command, f"--socket={address}", str(overlay)], pass_fds=(folder,))
        try:
            while not path.exists():
                assert process.poll() is None
            yield path, disk
        finally:
            process.kill()
            process.wait()


def test_a_chain_is_read_flattened_through_a_socket(tmp_path, exported):
    path, disk = exported
    image, raw = tmp_path / "image", tmp_path / "raw"

    with nbd.reading(path, "root") as reader:
        layout = qcow2.lay_out(reader.size_bytes, nbd.extents(path, "root"))
        image.write_bytes(b"".join(qcow2.write(layout, reader.read)))

    tool("convert", "-f", "qcow2", "-O", "raw", image, raw)
    assert raw.read_bytes() == disk
    assert layout.size_bytes < 12 * CLUSTER


def test_an_export_that_is_not_there_is_an_error_of_the_host(exported):
    path, _ = exported

    with pytest.raises(DiskError), nbd.reading(path, "nothing"):
        pass
