"""Images whose content is not what they claim, in a cloud that is configured to keep them: no server boots of one."""

from __future__ import annotations

import dataclasses

import pytest
from oslo_config import cfg

from nova_lite.conf import image
from nova_lite.conf import load as loader
from nova_lite.image.service import make_images

NOISE = b"noise" * 4096


@pytest.fixture
def lenient(cloud, tmp_path):
    """The cloud with an Image API that was configured by a file."""
    path = tmp_path / "lenient.conf"
    store = (cloud.folder / "images").as_uri()
    path.write_text(f"[image]\nrequire_format_match = no\nstore = file={store}\n")
    conf = cfg.ConfigOpts()
    loader.load([], files=[path], conf=conf)
    images = make_images(cloud.database, cloud.folder, image.read(conf), "http://127.0.0.1")
    cloud.serve(dataclasses.replace(cloud.parts, images=images))
    return cloud


def make(cloud):
    """Make an image that claims to be qcow2; it has no bytes yet."""
    body = {"name": "false", "disk_format": "qcow2", "container_format": "bare"}
    return cloud.client.simulate_post("/image/v2/images", json=body, headers=cloud.log_in("demo")).json["id"]


def put(cloud, image_id, content=NOISE):
    headers = {**cloud.log_in("demo"), "Content-Type": "application/octet-stream"}
    return cloud.client.simulate_put(f"/image/v2/images/{image_id}/file", body=content, headers=headers)


def shown(cloud, image_id):
    return cloud.client.simulate_get(f"/image/v2/images/{image_id}", headers=cloud.log_in("demo")).json


def test_the_content_is_kept_as_it_came(lenient):
    image_id = make(lenient)

    assert put(lenient, image_id).status_code == 204
    found = shown(lenient, image_id)
    assert (found["status"], found["disk_format"], found["size"]) == ("active", "qcow2", len(NOISE))
    sent = lenient.client.simulate_get(f"/image/v2/images/{image_id}/file", headers=lenient.log_in("demo"))
    assert sent.content == NOISE


def test_no_server_boots_of_it_and_none_is_made(lenient):
    image_id = make(lenient)
    put(lenient, image_id)

    body = {"server": {"name": "s", "imageRef": image_id, "flavorRef": "1"}}
    answer = lenient.ask("POST", "/servers", body)

    assert answer.status_code == 400
    assert "qcow2" in answer.json["badRequest"]["message"]
    assert lenient.ask("GET", "/servers").json["servers"] == []


def test_as_installed_the_same_bytes_are_refused(cloud):
    image_id = make(cloud)

    assert put(cloud, image_id).status_code == 415
    assert shown(cloud, image_id)["status"] == "queued"
