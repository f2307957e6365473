"""What a libvirt host says of its disk, without a libvirt."""

from __future__ import annotations

import pytest

from nova_lite.model.ids import HostName

facts = pytest.importorskip("nova_lite.compute.virt.libvirt.facts", reason="libvirt's library is not installed")
GIB = 1024**3


class Hypervisor:
    """Answers as a `virConnect`."""

    def getInfo(self):
        return ["x86_64", 4096, 4, 2000, 1, 1, 4, 1]

    def getCapabilities(self):
        return "<capabilities><host><cpu><arch>x86_64</arch></cpu></host></capabilities>"

    def getVersion(self):
        return 7002022


class Statvfs:
    f_frsize, f_blocks = GIB, 100

    def __init__(self, free_gib):
        self.f_bavail = free_gib


def read(monkeypatch, tmp_path, *, free_gib, reserved_gib):
    monkeypatch.setattr("os.statvfs", lambda folder: Statvfs(free_gib))
    monkeypatch.setattr(facts.offered, "read", lambda *_, **__: None)  # what guests can be built of is another matter
    monkeypatch.setattr(facts.host_hardware, "to_text", lambda found: "")
    place = facts.Place(
        host=HostName("h1"), zone="nova", host_ip="127.0.0.1", folder=tmp_path, kvm=False, reserved_ram_mib=0,
        reserved_disk_gib=reserved_gib,
    )  # fmt: skip
    return facts.read(Hypervisor(), place, guests_bytes=20 * GIB)


@pytest.mark.parametrize(
    ("free_gib", "reserved_gib", "short_of", "reserved"),
    [(50, 0, "", 30), (50, 5, "", 35), (5, 5, "", 80), (4, 5, "disk", 81), (0, 0, "", 80), (0, 1, "disk", 81)],
)
def test_a_host_keeps_some_of_its_disk_and_is_short_of_it_when_less_is_free(
    monkeypatch, tmp_path, free_gib, reserved_gib, short_of, reserved
):
    found = read(monkeypatch, tmp_path, free_gib=free_gib, reserved_gib=reserved_gib)

    assert (found.short_of, found.total.disk_gib, found.reserved.disk_gib) == (short_of, 100, reserved)
