"""What bytes really are: images made by qemu-img, and headers made by hand."""

from __future__ import annotations

import struct
import subprocess

import pytest

from nova_lite.image.inspect import HEAD, Finding, FormatRefused, Inspection, inspect_file

MIB = 1 << 20
QCOW2_BACKING, QCOW2_FEATURES = 8, 72


def qemu_img(*arguments):
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True, timeout=60)


def made(path, name, size="4M", *options):
    more = [part for option in options for part in ("-o", option)]
    qemu_img("create", "-f", name, *more, path, size)
    return path


def feed(data, claim, container="bare", piece=HEAD):
    inspection = Inspection(claim, container)
    for start in range(0, len(data), piece):
        inspection.feed(data[start : start + piece])
    return inspection.finish()


def changed(data, place, new):
    return data[:place] + new + data[place + len(new) :]


def iso(size=1 * MIB, *, bootable=False):
    data = bytearray(size)
    data[32768:32774] = b"\x01CD001"
    data[32768 + 80 : 32768 + 84] = struct.pack("<L", size // 2048)
    data[32768 + 128 : 32768 + 130] = struct.pack("<H", 2048)
    if bootable:
        data[446] = 0x80
        data[450] = 0x17
        data[510:512] = b"\x55\xaa"
    return bytes(data)


def partitioned(size=2 * MIB):
    data = bytearray(size)
    data[446:462] = struct.pack("<BBBBBBBBII", 0x80, 0, 2, 0, 0x83, 0, 0, 0, 1, 100)
    data[510:512] = b"\x55\xaa"
    return bytes(data)


def tar(size=2048):
    return changed(bytes(size), 257, b"ustar")


@pytest.mark.parametrize(
    ("claim", "kind", "options"),
    [
        ("qcow2", "qcow2", ()),
        ("qcow2", "qcow2", ("compat=0.10",)),
        ("qcow2", "qcow2", ("cluster_size=2M",)),
        ("vmdk", "vmdk", ("subformat=monolithicSparse",)),
        ("vmdk", "vmdk", ("subformat=streamOptimized",)),
        ("vdi", "vdi", ()),
        ("vhdx", "vhdx", ()),
        ("vhd", "vpc", ("subformat=dynamic", "force_size=on")),
        ("vhd", "vpc", ("subformat=fixed", "force_size=on")),
        ("ploop", "parallels", ()),
        ("raw", "raw", ()),
        ("ami", "raw", ()),
    ],
)
@pytest.mark.parametrize("piece", [HEAD, 1000])
def test_images_of_every_format_are_accepted_with_their_virtual_size(tmp_path, claim, kind, options, piece):
    data = made(tmp_path / "image", kind, "4M", *(",".join(options),) if options else ()).read_bytes()

    found = feed(data, claim, piece=piece)

    assert (found.format, found.size_bytes, found.virtual_size_bytes) == (claim, len(data), 4 * MIB)


def test_a_file_is_looked_at_whole(tmp_path):
    assert inspect_file(made(tmp_path / "image", "qcow2"), "qcow2").virtual_size_bytes == 4 * MIB


@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "vdi", "vhdx", "parallels"])
@pytest.mark.parametrize("piece", [HEAD, 7])
def test_a_raw_image_that_is_really_something_else_is_refused(tmp_path, kind, piece):
    data = made(tmp_path / "image", kind).read_bytes()[: 3 * MIB if piece == HEAD else 400_000]

    with pytest.raises(FormatRefused, match=r"claims to be raw, but its content is \w+"):
        feed(data, "raw", piece=piece)


@pytest.mark.parametrize("claim", ["qcow2", "vmdk", "vdi", "vhdx", "vhd", "ploop", "iso"])
@pytest.mark.parametrize("data", [b"", b"x", bytes(600), bytes(2 * MIB), b"text\n" * 300_000])
def test_bytes_without_structure_are_nothing_but_raw(claim, data):
    with pytest.raises(FormatRefused):
        feed(data, claim)

    assert feed(data, "raw").virtual_size_bytes == len(data)


@pytest.mark.parametrize("claim", ["qcow2", "vmdk", "vhd", "iso"])
@pytest.mark.parametrize("data", [b"x", bytes(2 * MIB), b"text\n" * 300_000])
def test_a_false_claim_that_is_no_reason_to_refuse_is_no_disk(claim, data):
    inspection = Inspection(claim, lenient=True)
    inspection.feed(data)

    assert inspection.finish() == Finding(format=claim, size_bytes=len(data), virtual_size_bytes=None)


def test_a_true_claim_is_checked_where_false_ones_are_no_reason_to_refuse(tmp_path):
    made(tmp_path / "base", "qcow2")
    qemu_img("create", "-f", "qcow2", "-b", tmp_path / "base", "-F", "qcow2", tmp_path / "image", "4M")
    inspection, plain = Inspection("qcow2", lenient=True), Inspection("qcow2", lenient=True)
    plain.feed((tmp_path / "base").read_bytes())

    with pytest.raises(FormatRefused, match="backing file"):
        inspection.feed((tmp_path / "image").read_bytes().ljust(HEAD, b"\0"))
    assert plain.finish().virtual_size_bytes == 4 * MIB


def test_a_qcow2_with_a_backing_file_is_refused_before_the_rest_comes(tmp_path):
    made(tmp_path / "base", "qcow2")
    qemu_img("create", "-f", "qcow2", "-b", tmp_path / "base", "-F", "qcow2", tmp_path / "image", "4M")
    inspection = Inspection("qcow2")

    with pytest.raises(FormatRefused, match="backing file"):
        inspection.feed((tmp_path / "image").read_bytes().ljust(HEAD, b"\0"))


def test_a_qcow2_with_a_data_file_is_refused(tmp_path):
    made(tmp_path / "image", "qcow2", "4M", f"data_file={tmp_path}/data,data_file_raw=on")

    with pytest.raises(FormatRefused, match="external data file"):
        inspect_file(tmp_path / "image", "qcow2")


def test_a_qcow2_with_unknown_features_is_refused(tmp_path):
    data = made(tmp_path / "image", "qcow2").read_bytes()

    with pytest.raises(FormatRefused, match="not known here"):
        feed(changed(data, QCOW2_FEATURES, b"\x80" + bytes(7)), "qcow2")


def test_a_qcow2_without_a_size_or_cut_in_its_header_is_refused(tmp_path):
    data = made(tmp_path / "image", "qcow2").read_bytes()

    for damaged in (changed(data, 24, bytes(8)), changed(data, 24, b"\xff" * 8), data[:100]):
        with pytest.raises(FormatRefused):
            feed(damaged, "qcow2")


@pytest.mark.parametrize("kind", ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"])
def test_a_vmdk_whose_extents_are_other_files_is_refused(tmp_path, kind):
    made(tmp_path / "image.vmdk", "vmdk", "4M", f"subformat={kind}")

    with pytest.raises(FormatRefused, match="extents in other files"):
        inspect_file(tmp_path / "image.vmdk", "vmdk")


def test_a_vmdk_that_names_a_path_is_refused(tmp_path):
    data = made(tmp_path / "image", "vmdk").read_bytes()
    place = data.index(b'SPARSE "') + len(b'SPARSE "')

    with pytest.raises(FormatRefused, match="vmdk"):
        feed(changed(data, place, b"/etc/x"), "vmdk")


def test_a_vmdk_descriptor_in_tiny_pieces_is_not_taken_for_raw(tmp_path):
    made(tmp_path / "image.vmdk", "vmdk", "4M", "subformat=monolithicFlat")

    with pytest.raises(FormatRefused, match="content is vmdk"):
        feed((tmp_path / "image.vmdk").read_bytes(), "raw", piece=5)


@pytest.mark.parametrize(
    ("kind", "claim", "place", "value"), [("vdi", "vdi", 0x4C, b"\4\0\0\0"), ("vpc", "vhd", 60, b"\0\0\0\4")]
)
def test_differencing_disks_are_refused(tmp_path, kind, claim, place, value):
    data = made(tmp_path / "image", kind).read_bytes()

    with pytest.raises(FormatRefused, match="needs a parent"):
        feed(changed(data, place, value), claim)


def test_a_qed_image_is_not_a_format_of_ours(tmp_path):
    data = made(tmp_path / "image", "qed").read_bytes()

    with pytest.raises(FormatRefused, match="content is qed"):
        feed(data, "raw")


def test_an_iso_is_an_iso_also_when_it_boots():
    assert feed(iso(), "iso").virtual_size_bytes == MIB
    assert feed(iso(bootable=True), "iso").virtual_size_bytes == MIB
    with pytest.raises(FormatRefused, match="content is iso"):
        feed(iso(bootable=True), "raw")


def test_a_partition_table_and_an_encrypted_disk_are_raw(tmp_path):
    assert feed(partitioned(), "raw").virtual_size_bytes == 2 * MIB
    assert feed(b"LUKS\xba\xbe\x00\x01" + bytes(MIB), "raw").virtual_size_bytes == MIB + 8


def test_two_formats_in_one_file_are_refused(tmp_path):
    both = changed(made(tmp_path / "image", "qcow2").read_bytes().ljust(MIB, b"\0"), 32768, iso()[32768:34816])

    for claim in ("qcow2", "iso", "raw"):
        with pytest.raises(FormatRefused, match="iso and qcow2"):
            feed(both, claim)


def test_layers_of_containers_are_no_disk():
    found = feed(tar(), "raw", "docker")

    assert found.virtual_size_bytes is None
    with pytest.raises(FormatRefused, match="no tar archive"):
        feed(bytes(2 * MIB), "raw", "docker")


def test_a_compressed_image_is_taken_as_it_is():
    assert feed(b"\x1f\x8b" + bytes(100), "qcow2", "compressed").virtual_size_bytes is None
