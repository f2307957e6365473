"""Archives of virtual machines: the one disk inside is found and inspected, everything unusual is refused."""

from __future__ import annotations

import subprocess
import tarfile

import pytest
from unit.image.archives import archive, descriptor

from nova_lite.image.inspect import FormatRefused, Inspection

MIB = 1 << 20


def feed(data, claim="vmdk", piece=1 << 20):
    inspection = Inspection(claim, "ova")
    for start in range(0, len(data), piece):
        inspection.feed(data[start : start + piece])
    return inspection.finish()


@pytest.fixture(scope="module")
def vmdk(tmp_path_factory):
    raw, path = tmp_path_factory.mktemp("ova") / "raw", tmp_path_factory.mktemp("ova") / "disk.vmdk"
    raw.write_bytes(b"boot" * 20_000 + bytes(5 * MIB - 80_000))
    command = ["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", str(raw), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return path.read_bytes()


@pytest.mark.parametrize("piece", [1 << 20, 1000, 512])
def test_the_disk_inside_is_found_with_its_size_and_place(vmdk, piece):
    data = archive(
        ("vm.ovf", descriptor("disk.vmdk", "boot.iso", disks=1)),
        ("vm.mf", b"SHA256 ..."),
        ("boot.iso", b"x"),
        ("disk.vmdk", vmdk),
    )

    found = feed(data, piece=piece)

    assert (found.format, found.size_bytes, found.virtual_size_bytes) == ("vmdk", len(data), 5 * MIB)
    assert data[found.place.start : found.place.start + found.place.length] == vmdk


def test_a_disk_of_another_format_than_claimed_is_refused(vmdk):
    data = archive(("vm.ovf", descriptor("disk.vmdk")), ("disk.vmdk", vmdk))

    with pytest.raises(FormatRefused, match="claims to be qcow2, but its content is vmdk"):
        feed(data, "qcow2")


@pytest.mark.parametrize(
    ("hrefs", "more", "why"),
    [
        ((), "", "names 0 disks"),
        (("a.vmdk", "b.vmdk"), "", "names 2 disks"),
        (("http://web.test/a.vmdk",), "", "another place"),
        (("../a.vmdk",), "", "another place"),
        (("a.vmdk",), 'ovf:compression="gzip"', "compressed or in pieces"),
        (("a.vmdk",), 'ovf:chunkSize="100"', "compressed or in pieces"),
        (("b.vmdk",), "", "is not in it"),
    ],
)
def test_descriptors_without_one_plain_disk_are_refused(vmdk, hrefs, more, why):
    with pytest.raises(FormatRefused, match=why):
        feed(archive(("vm.ovf", descriptor(*hrefs, more=more)), ("a.vmdk", vmdk)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"no xml", "not well-formed"),
        (b"<a>", "not well-formed"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "not well-formed"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16"), "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (b" " * (MIB + 1), "at most 1 MiB"),
        (b"", "at most 1 MiB"),
    ],
)
def test_descriptors_that_are_dangerous_or_damaged_are_refused(vmdk, text, why):
    with pytest.raises(FormatRefused, match=why):
        feed(archive(("vm.ovf", text), ("a.vmdk", vmdk)))


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.vmdk", "a/../../b", "folder/a.vmdk", "..", ".", "a\\b", "a\nb"])
def test_names_that_are_paths_are_refused(vmdk, name):
    with pytest.raises(FormatRefused, match="has a path"):
        feed(archive(("vm.ovf", descriptor("a.vmdk")), (name, b"x"), ("a.vmdk", vmdk)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_members_that_are_no_plain_files_are_refused(vmdk, kind):
    odd = tarfile.TarInfo("a.vmdk")
    odd.type, odd.linkname = kind, "/etc/passwd"
    text = descriptor("a.vmdk")
    data = archive(("vm.ovf", text))[: 512 + -(-len(text) // 512) * 512] + odd.tobuf(tarfile.USTAR_FORMAT)

    with pytest.raises(FormatRefused, match="more than plain files"):
        feed(data)


def test_extended_headers_names_twice_and_too_many_files_are_refused(vmdk):
    first = ("vm.ovf", descriptor("a.vmdk"))

    with pytest.raises(FormatRefused, match="extended headers"):
        feed(archive(first, ("n" * 200, b""), format=tarfile.PAX_FORMAT))
    with pytest.raises(FormatRefused, match="twice"):
        feed(archive(first, ("a.vmdk", vmdk), ("a.vmdk", vmdk)))
    with pytest.raises(FormatRefused, match="more than 100 files"):
        feed(archive(first, *((f"{number}", b"") for number in range(100))))


def test_an_archive_must_begin_with_its_descriptor_and_end_with_its_end(vmdk):
    data = archive(("vm.ovf", descriptor("a.vmdk")), ("a.vmdk", vmdk))

    for damaged, why in (
        (archive(("a.vmdk", vmdk), ("vm.ovf", descriptor("a.vmdk"))), "does not begin"),
        (b"", "cut, or no tar"),
        (bytes(5 * MIB), "cut, or no tar"),
        (b"\x7f" * MIB, "damaged, or no tar"),
        (data[: len(vmdk) // 2], "cut, or no tar"),
        (data[:700], "cut, or no tar"),
        (data + data, "follows its end"),
    ):
        with pytest.raises(FormatRefused, match=why):
            feed(damaged)
