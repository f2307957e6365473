"""Imports with all daemons: the API accepts, the conductor works, the image tells how it ended."""

from __future__ import annotations

import time

import pytest


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


def test_an_image_deleted_while_it_is_imported_is_gone(cloud, ask):
    image = cloud.staged_image()

    ask("POST", f"/images/{image}/import", {"method": {"name": "glance-direct"}})
    ask("DELETE", f"/images/{image}", status=204)

    ask("GET", f"/images/{image}", status=404)
    until = time.monotonic() + 30
    while list((cloud.folder / "images").rglob(f"{image}*")):
        assert time.monotonic() < until
        time.sleep(0.05)
