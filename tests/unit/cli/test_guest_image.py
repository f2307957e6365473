"""The tiny guest's parts, without building it whole."""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from nova_lite import errors
from nova_lite.cli.guest_image import archive, builder, disk, elf, tools
from nova_lite.cli.guest_image.modules import Modules


def test_archive_unpacks_to_the_same_files(tmp_path):
    if not shutil.which("busybox"):
        pytest.skip("busybox is not installed")
    packed = archive.pack([archive.folder("bin"), archive.program("bin/a", b"abc"), archive.link("bin/b", "a")])

    subprocess.run(["busybox", "cpio", "-i"], cwd=tmp_path, input=gzip.decompress(packed), check=True, timeout=10)

    assert (tmp_path / "bin/b").read_bytes() == b"abc"


def test_archive_has_the_kernels_magic_and_is_the_same_each_time():
    entries = [archive.plain("x", b"12345")]

    packed = archive.pack(entries)

    assert packed == archive.pack(entries)
    assert gzip.decompress(packed).startswith(b"070701")
    assert len(gzip.decompress(packed)) % 4 == 0


def test_program_needs_its_loader_and_libraries():
    assert any(name.startswith("ld-linux") or name.startswith("libc") for name in elf.needed(Path("/bin/ls")))


def test_text_file_needs_nothing(tmp_path):
    script = tmp_path / "x"
    script.write_text("#!/bin/sh\n")

    assert elf.needed(script) == []


def test_modules_come_after_what_they_need(tmp_path):
    (tmp_path / "modules.dep").write_text("a/net-x.ko: b/core.ko c/base.ko\nb/core.ko: c/base.ko\nc/base.ko:\n")

    order = Modules(tmp_path).in_order(["net_x", "built_in"])

    assert order == ["c/base.ko", "b/core.ko", "a/net-x.ko"]


def test_boot_record_has_two_partitions_and_ends_as_a_boot_record_must(tmp_path, monkeypatch):
    code = tmp_path / "mbr.bin"
    code.write_bytes(b"\x90" * 440)
    monkeypatch.setattr(disk, "BOOT_CODE", code)

    record = disk._master_boot_record(((0x80, disk.FAT16_LBA, 2048, 16), (0, disk.LINUX, 34816, 24)))

    assert record[510:] == b"\x55\xaa"
    assert struct.unpack_from("<II", record, 446 + 16 + 8) == (34816, 24 * 2048)


def test_missing_tool_is_named():
    with pytest.raises(errors.Unavailable, match="no-such-tool is not installed"):
        tools.run("no-such-tool")


def test_tool_that_fails_gives_its_last_words():
    with pytest.raises(errors.Unavailable, match="ls failed: .*No such file"):
        tools.run("ls", "/no/such/file")


def test_built_guest_is_found_again(tmp_path, monkeypatch):
    built = []

    def build(work):
        built.append(work)
        (work / "result").mkdir()
        return work / "result"

    monkeypatch.setattr(builder, "_build", build)

    first, second = builder.ensure(tmp_path), builder.ensure(tmp_path)

    assert first == second
    assert len(built) == 1
    assert list(tmp_path.glob(".guest-*")) == []
