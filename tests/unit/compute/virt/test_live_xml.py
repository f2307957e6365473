"""A domain's description as it is on the host that a guest goes to."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("libvirt")
from nova_lite.compute.virt.libvirt import live

HERE = """<domain xmlns:nl="https://nova-lite.org/xmlns/1">
  <os><kernel>/here/boot.kernel</kernel><initrd>/here/boot.ramdisk</initrd><nvram>/here/vars.fd</nvram></os>
  <devices>
    <disk><source file="/here/root.qcow2"/><backingStore><source file="/here/base"/></backingStore></disk>
    <interface><mac address="fa:16:3e:00:00:01"/><target dev="tap-here"/></interface>
    <serial><log file="/here/console.log"/></serial>
  </devices>
</domain>"""
FACTS = {
    "host": "h2",
    "disks": {"root.qcow2": "/there/root.qcow2"},
    "bases": {"root.qcow2": "/there/base"},
    "taps": {"fa:16:3e:00:00:01": "tap-there"},
    "nvram": "/there/vars.fd",
    "log": "/there/console.log",
    "boot": {"kernel": "/there/boot.kernel", "initrd": "/there/boot.ramdisk"},
}


def test_no_file_of_the_source_is_left():
    text = live.there(HERE, FACTS)

    assert "here/" not in text.replace("there/", "")
    assert "tap-here" not in text


def test_a_target_that_names_no_files_to_boot_with_changes_none():
    changed = ET.fromstring(live.there(HERE, {name: value for name, value in FACTS.items() if name != "boot"}))

    assert changed.findtext("./os/kernel") == "/here/boot.kernel"
