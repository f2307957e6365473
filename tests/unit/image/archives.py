"""Archives of virtual machines, made for tests."""

from __future__ import annotations

import io
import tarfile

DESCRIPTOR = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References>{files}</References>
  <DiskSection><Info>disks</Info>{disks}</DiskSection>
</Envelope>
"""
FILE = '<File ovf:id="f{0}" ovf:href="{1}" {2}/>'
DISK = '<Disk ovf:diskId="d{0}" ovf:fileRef="f{0}" ovf:capacity="1" ovf:capacityAllocationUnits="byte"/>'


def descriptor(*hrefs, more="", disks=None):
    files = "".join(FILE.format(number, href, more) for number, href in enumerate(hrefs))
    names = range(len(hrefs)) if disks is None else range(disks)
    return DESCRIPTOR.format(files=files, disks="".join(map(DISK.format, names))).encode()


def archive(*members, format=tarfile.USTAR_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
