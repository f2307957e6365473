"""Imports with all daemons: the API accepts, the conductor works, the image tells how it ended."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from nova_lite.image.inspect import inspect_file


def damaged_disk():
    """Give a disk whose header is good and whose data cannot be read."""
    with tempfile.TemporaryDirectory() as folder:
        raw, path = Path(folder, "raw"), Path(folder, "disk")
        raw.write_bytes(random.Random(1).randbytes(1 << 20))
        options = ["-o", "subformat=streamOptimized"]
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vmdk", *options, raw, path], check=True, timeout=60)
        data = bytearray(path.read_bytes())
    middle = slice(131072 + 512, len(data) - 4096)
    data[middle] = b"\xff" * len(data[middle])
    return bytes(data)


@pytest.fixture
def ask(cloud):
    def send(method, path, body=None, status=202):
        answer = cloud.client.simulate_request(method, f"/image/v2{path}", json=body, headers=cloud.log_in("demo"))
        assert answer.status_code == status, answer.text
        return answer

    return send


@pytest.fixture
def settled(ask):
    """Give the function that waits until an image is imported no more, and shows it."""

    def wait(image):
        until = time.monotonic() + 30
        while (shown := ask("GET", f"/images/{image}", status=200).json)["status"] == "importing":
            assert time.monotonic() < until
            time.sleep(0.05)
        return shown

    return wait


def test_staged_bytes_are_imported_and_come_out_again(cloud, ask, settled):
    image = cloud.staged_image(b"y" * 5000)

    ask("POST", f"/images/{image}/import", {"method": {"name": "glance-direct"}})

    shown = settled(image)
    assert (shown["status"], shown["size"], shown["stores"]) == ("active", 5000, "file")
    assert ask("GET", f"/images/{image}/file", status=200).content == b"y" * 5000


def test_an_image_is_imported_to_all_stores_and_taken_from_one(cloud, ask, settled):
    image = cloud.staged_image(b"y" * 5000)

    ask("POST", f"/images/{image}/import", {"method": {"name": "glance-direct"}, "all_stores": True})

    shown = settled(image)
    assert (shown["status"], shown["stores"], shown["os_glance_importing_to_stores"]) == ("active", "file,other", "")
    ask("DELETE", f"/stores/file/{image}", status=204)
    assert ask("GET", f"/images/{image}", status=200).json["stores"] == "other"
    assert ask("GET", f"/images/{image}/file", status=200).content == b"y" * 5000
    assert not list((cloud.folder / "images").rglob(f"{image}*"))


def test_an_active_image_is_copied_to_another_store(cloud, ask):
    image = ask("POST", "/images", {"disk_format": "raw", "container_format": "bare"}, status=201).json["id"]
    headers = cloud.log_in("demo") | {"Content-Type": "application/octet-stream"}
    assert cloud.client.simulate_put(f"/image/v2/images/{image}/file", body=b"z" * 5000, headers=headers).status_code == 204

    ask("POST", f"/images/{image}/import", {"method": {"name": "copy-image"}, "stores": ["other"]})

    until = time.monotonic() + 30
    while (shown := ask("GET", f"/images/{image}", status=200).json)["os_glance_importing_to_stores"]:
        assert (shown["status"], shown["stores"]) == ("active", "file")
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (shown["stores"], shown["os_glance_failed_import"]) == ("file,other", "")


def test_a_name_that_means_this_machine_is_not_fetched_and_the_image_is_queued_again(cloud, ask, settled):
    image = ask("POST", "/images", {"disk_format": "raw", "container_format": "bare"}, status=201).json["id"]

    ask("POST", f"/images/{image}/import", {"method": {"name": "web-download", "uri": "http://localhost/x"}})

    shown = settled(image)
    assert (shown["status"], shown["os_glance_failed_import"]) == ("queued", "file")


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"glance_region": "not a region", "glance_service_interface": "public"}, "in the region not a region"),
        ({"glance_region": "RegionOne", "glance_service_interface": "not an interface"}, "no not an interface endpoint"),
    ],
)
def test_an_image_of_a_region_that_is_not_there_is_queued_again_with_its_properties(ask, settled, wanted, why):
    made = {"disk_format": "raw", "container_format": "bare", "hw_cpu_cores": "1"}
    image = ask("POST", "/images", made, status=201).json["id"]

    ask("POST", f"/images/{image}/import", {"method": {"name": "glance-download", "glance_image_id": image, **wanted}})

    shown = settled(image)
    assert (shown["status"], shown["os_glance_failed_import"], shown["hw_cpu_cores"]) == ("queued", "file", "1")
    [task] = ask("GET", f"/images/{image}/tasks", status=200).json["tasks"]
    assert (task["status"], why in task["message"]) == ("failure", True)
    assert task["input"]["import_req"]["method"] == {"name": "glance-download", "glance_image_id": image, **wanted}


def test_imported_images_get_the_clouds_properties_but_not_those_of_admins(cloud, ask, settled):
    cloud.parts.images.inject = {"origin": "imported", "hw_rng_model": "virtio"}
    image = cloud.staged_image(b"y" * 5000)
    patch = [{"op": "add", "path": "/origin", "value": "mine"}, {"op": "add", "path": "/os_distro", "value": "debian"}]
    headers = cloud.log_in("demo") | {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    path = f"/image/v2/images/{image}"
    assert cloud.client.simulate_patch(path, body=json.dumps(patch), headers=headers).status_code == 200

    ask("POST", f"/images/{image}/import", {"method": {"name": "glance-direct"}})
    shown = settled(image)
    assert (shown["origin"], shown["hw_rng_model"], shown["os_distro"]) == ("imported", "virtio", "debian")

    other = cloud.staged_image(b"z" * 5000)
    body = {"method": {"name": "glance-direct"}}
    answer = cloud.client.simulate_post(f"/image/v2/images/{other}/import", json=body, headers=cloud.log_in("admin"))
    assert answer.status_code == 202
    assert "origin" not in settled(other)


@pytest.mark.parametrize("target", ["qcow2", "compressed-qcow2"])
def test_a_staged_disk_is_converted_when_it_is_imported(cloud, ask, settled, tmp_path, target):
    cloud.parts.images.convert_to = target
    image = cloud.staged_image(b"y" * 512 * 1024)

    ask("POST", f"/images/{image}/import", {"method": {"name": "glance-direct"}})

    shown = settled(image)
    assert (shown["status"], shown["disk_format"], shown["virtual_size"]) == ("active", "qcow2", 512 * 1024)
    data = ask("GET", f"/images/{image}/file", status=200).content
    assert hashlib.sha512(data).hexdigest() == shown["os_hash_value"]
    (tmp_path / "disk").write_bytes(data)
    inspect_file(tmp_path / "disk", "qcow2")
    until = time.monotonic() + 10
    while len(list((cloud.folder / "images").rglob(f"{image}*"))) > 1:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_disk_that_cannot_be_converted_is_as_it_was_and_the_task_says_why(cloud, ask, settled):
    cloud.parts.images.convert_to = "qcow2"
    image = cloud.staged_image(damaged_disk(), "vmdk")

    ask("POST", f"/images/{image}/import", {"method": {"name": "glance-direct"}})

    shown = settled(image)
    assert (shown["status"], shown["disk_format"], shown["os_glance_failed_import"]) == ("uploading", "vmdk", "file")
    [task] = ask("GET", f"/images/{image}/tasks", status=200).json["tasks"]
    assert (task["status"], "could not be converted" in task["message"]) == ("failure", True)


def test_an_image_deleted_while_it_is_imported_is_gone(cloud, ask):
    image = cloud.staged_image()

    ask("POST", f"/images/{image}/import", {"method": {"name": "glance-direct"}})
    ask("DELETE", f"/images/{image}", status=204)

    ask("GET", f"/images/{image}", status=404)
    until = time.monotonic() + 30
    while list((cloud.folder / "images").rglob(f"{image}*")):
        assert time.monotonic() < until
        time.sleep(0.05)
