"""Conversions by qemu-img: each format to each target, confined, and nothing left of what fails."""

from __future__ import annotations

import os
import stat
import subprocess
import time

import pytest

from nova_lite import errors
from nova_lite.image.convert import TARGETS, Converter, Limits, Source, is_converted
from nova_lite.image.inspect import inspect_file

MIB = 1 << 20
DISK = b"boot" * 10_000 + bytes(3 * MIB) + b"end" * 10_000 + bytes(3 * MIB - 70_000)
assert len(DISK) % 512 == 0
KINDS = [
    ("raw", "raw", ""),
    ("qcow2", "qcow2", ""),
    ("vmdk", "vmdk", "subformat=streamOptimized"),
    ("vmdk", "vmdk", "subformat=monolithicSparse"),
    ("vdi", "vdi", ""),
    ("vhd", "vpc", "subformat=dynamic,force_size=on"),
    ("vhd", "vpc", "subformat=fixed,force_size=on"),
    ("vhdx", "vhdx", ""),
]


def made(folder, kind, options=""):
    raw, path = folder / "raw", folder / "disk"
    raw.write_bytes(DISK)
    more = ["-o", options] if options else []
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, *more, raw, path], check=True, timeout=60)
    raw.unlink()
    return path


def source_of(path, disk_format="qcow2", size=None):
    return Source(open=lambda: path.open("rb"), disk_format=disk_format, virtual_size_bytes=size or len(DISK))


def read_all(file):
    parts = []
    while part := file.read(MIB):
        parts.append(part)
    return b"".join(parts)


def scripted(tmp_path, text):
    """Give a program that stands for qemu-img."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid():
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    return str(program)


def fails(tmp_path, text, limits=None, is_wanted=lambda: True):
    """Convert with such a program; give the error, after a look at what is left."""
    path = made(tmp_path, "qcow2")
    converter = Converter(tmp_path / "scratch", limits or Limits(), scripted(tmp_path, text))
    file = converter.open(source_of(path), "raw", is_wanted)
    with pytest.raises(errors.NovaLiteError) as caught:
        file.read(MIB)
    file.close()
    assert list((tmp_path / "scratch").iterdir()) == []
    return caught.value


@pytest.mark.parametrize("target", list(TARGETS))
@pytest.mark.parametrize(("ours", "kind", "options"), KINDS)
def test_each_format_is_made_into_each_target(tmp_path, ours, kind, options, target):
    file = Converter(tmp_path / "scratch").open(source_of(made(tmp_path, kind, options), ours), target, lambda: True)
    result = tmp_path / "result"

    result.write_bytes(read_all(file))
    file.close()
    file.close()

    assert inspect_file(result, TARGETS[target]).virtual_size_bytes == len(DISK)
    raw = tmp_path / "back"
    subprocess.run(["qemu-img", "convert", "-f", TARGETS[target], "-O", "raw", result, raw], check=True, timeout=60)
    assert raw.read_bytes() == DISK
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_compressed_disk_takes_less(tmp_path):
    sizes = {}
    for target in ("qcow2", "compressed-qcow2"):
        file = Converter(tmp_path / "scratch").open(source_of(made(tmp_path, "raw"), "raw"), target, lambda: True)
        sizes[target] = len(read_all(file))
        file.close()

    assert sizes["compressed-qcow2"] < sizes["qcow2"]


@pytest.mark.parametrize(
    ("disk_format", "container", "target", "converted"),
    [
        ("qcow2", "bare", "raw", True),
        ("qcow2", "bare", "qcow2", False),
        ("qcow2", "bare", "compressed-qcow2", True),
        ("raw", "bare", "raw", False),
        ("vmdk", "ova", "raw", True),
        ("raw", "ova", "raw", True),
        ("vmdk", "bare", None, False),
        ("iso", "bare", "raw", False),
        ("ami", "ami", "qcow2", False),
        ("raw", "docker", "qcow2", False),
        ("qcow2", "compressed", "raw", False),
        (None, None, "raw", False),
    ],
)
def test_what_is_converted(disk_format, container, target, converted):
    assert is_converted(disk_format, container, target) is converted


def test_a_damaged_image_is_refused_and_nothing_is_left(tmp_path):
    path = made(tmp_path, "qcow2")
    data = path.read_bytes()
    path.write_bytes(data[: 256 * 1024] + b"\xff" * (len(data) - 256 * 1024))
    file = Converter(tmp_path / "scratch").open(source_of(path), "raw", lambda: True)

    with pytest.raises(errors.BadRequest, match="could not be converted"):
        file.read(MIB)
    file.close()

    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_disk_that_is_larger_than_may_be_is_refused(tmp_path):
    file = Converter(tmp_path / "scratch").open(source_of(made(tmp_path, "qcow2"), size=(1 << 40) + 1), "raw", lambda: True)

    with pytest.raises(errors.TooLarge):
        file.read(MIB)


def test_qemu_img_is_told_the_format_and_no_path(tmp_path):
    error = fails(tmp_path, 'test "$*" = "convert -q -f qcow2 -O raw source target" && exit 127; exit 1')

    assert isinstance(error, errors.Unavailable)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a privilege to drop")
def test_it_runs_as_nobody_without_network_or_privileges(tmp_path):
    program = """
    test "$(id -un)" = nobody && test "$(id -G)" = "$(id -g)" || exit 1
    grep -q 'NoNewPrivs:.1' /proc/self/status || exit 2
    grep -q 'CapBnd:.0*$' /proc/self/status || exit 3
    exit 127
    """

    assert isinstance(fails(tmp_path, program), errors.Unavailable)


def test_it_has_no_network_where_it_can_be_taken_away(tmp_path):
    here = os.readlink("/proc/self/ns/net")
    words = ["unshare", "--net", "--"] if os.geteuid() == 0 else ["unshare", "--user", "--map-current-user", "--net", "--"]
    if subprocess.run([*words, "true"], check=False, capture_output=True, timeout=10).returncode != 0:
        pytest.skip("this machine does not let the network be taken away")

    assert isinstance(
        fails(tmp_path, f'test "$(readlink /proc/self/ns/net)" != "{here}" && exit 127; exit 1'), errors.Unavailable
    )


def test_the_time_the_processor_and_the_size_of_files_have_limits(tmp_path):
    slow = fails(tmp_path, "sleep 60", Limits(time_s=1))
    busy = fails(tmp_path, "while :; do :; done", Limits(cpu_s=1))
    big = fails(tmp_path, "exec head -c 1000000000 /dev/zero > target")

    assert "longer than it may" in slow.message
    assert "processor time, or of room" in busy.message
    assert "processor time, or of room" in big.message


def test_the_memory_has_a_limit(tmp_path):
    path = made(tmp_path, "vmdk")
    file = Converter(tmp_path / "scratch", Limits(memory_bytes=16 * MIB)).open(source_of(path, "vmdk"), "raw", lambda: True)

    with pytest.raises(errors.NovaLiteError):
        file.read(MIB)


def test_it_ends_when_nobody_wants_it_any_more(tmp_path):
    began = time.monotonic()

    assert isinstance(fails(tmp_path, "sleep 60", is_wanted=lambda: False), errors.Gone)
    assert time.monotonic() - began < 30


def test_a_program_that_is_missing_may_be_there_later(tmp_path):
    path = made(tmp_path, "qcow2")
    file = Converter(tmp_path / "scratch", program=str(tmp_path / "nothing")).open(source_of(path), "raw", lambda: True)

    with pytest.raises(errors.Unavailable):
        file.read(MIB)


def test_what_a_dead_process_left_is_removed_and_what_lives_stays(tmp_path):
    path = made(tmp_path, "qcow2")
    left = tmp_path / "scratch" / "left"
    left.mkdir(parents=True)
    (left / "source").write_bytes(b"x")
    first, second = (Converter(tmp_path / "scratch").open(source_of(path), "raw", lambda: True) for _ in range(2))

    first.read(MIB)
    second.read(MIB)

    assert not left.exists()
    assert len(list((tmp_path / "scratch").iterdir())) == 2
    assert len(read_all(first)) == len(DISK) - MIB
    first.close()
    second.close()
