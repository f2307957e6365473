"""What oVirt does with an outside image provider, request by request: discover, list with sizes, import, export.

Source: ovirt-engine, OpenStackImageProviderProxy: it reads a qcow2's virtual size out of the first 72 bytes that it gets.
"""

from __future__ import annotations

import struct
import subprocess

import pytest

QCOW2_HEADER = struct.Struct(">4sIQIIQ")
HEADER_BYTES = 72
GIB = 1 << 30


@pytest.fixture
def ask(client, world):
    def send(method, path, status, body=None, json=None, headers=None):
        headers = {"X-Auth-Token": world.tokens["demo"], **(headers or {})}
        answer = client.simulate_request(method, path, body=body, json=json, headers=headers)
        assert answer.status_code == status, answer.text
        return answer

    return send


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "2G"], check=True, timeout=60)
    return path.read_bytes()


def exported_by_v2(ask, disk):
    """Make a record, then send its bytes."""
    record = {"name": "exported", "disk_format": "qcow2", "container_format": "bare", "visibility": "shared"}
    image = ask("POST", "/image/v2/images", 201, json=record).json["id"]
    octets = {"Content-Type": "application/octet-stream"}
    ask("PUT", f"/image/v2/images/{image}/file", 204, body=disk, headers=octets)
    return image


def exported_by_v1(ask, disk):
    """Send bytes and fields in one request."""
    said = {"name": "exported", "disk_format": "qcow2", "container_format": "bare", "is_public": "False"}
    headers = {f"x-image-meta-{name}": value for name, value in said.items()} | {"Content-Type": "application/octet-stream"}
    return ask("POST", "/image/v1/images", 201, body=disk, headers=headers).json["image"]["id"]


@pytest.mark.parametrize("export", [exported_by_v2, exported_by_v1])
def test_ovirt_finds_exports_lists_and_imports_images(ask, disk, export):
    known = [version["id"] for version in ask("GET", "/image/versions", 200).json["versions"]]
    image = export(ask, disk)

    [listed] = ask("GET", "/image/v2/images?limit=20", 200).json["images"]
    [by_v1] = ask("GET", "/image/v1/images/detail", 200).json["images"]
    first = ask("GET", f"/image/v2/images/{image}/file", 206, headers={"Range": f"bytes=0-{HEADER_BYTES - 1}"}).content
    whole = ask("GET", f"/image/v2/images/{image}/file", 200).content

    assert {"v2.0", "v1.0"} <= set(known)
    for shown in (listed, by_v1):
        assert (shown["id"], shown["size"], shown["virtual_size"]) == (image, len(disk), 2 * GIB)
        assert (shown["disk_format"], shown["container_format"], shown["status"]) == ("qcow2", "bare", "active")
    magic, version, _, _, _, size = QCOW2_HEADER.unpack_from(first)
    assert (magic, version, size, len(first)) == (b"QFI\xfb", 3, 2 * GIB, HEADER_BYTES)
    assert whole == disk
    ask("DELETE", f"/image/v2/images/{image}", 204)
    assert ask("GET", "/image/v1/images", 200).json["images"] == []
