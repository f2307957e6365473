"""What a create request asks for beyond a flavor and an image reaches the host that makes the guest."""

from __future__ import annotations

import pytest

ROOMY = {"name": "roomy", "id": "roomy", "ram": 128, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 4, "swap": 64}


@pytest.fixture
def roomy(cloud):
    assert cloud.ask("POST", "/flavors", {"flavor": ROOMY}, user="admin").status_code == 200
    return "roomy"


def spec_of(cloud, server_id):
    """Give the guest's specification as the host was sent it."""
    (sent,) = [letter for letter in cloud.broker.sent if letter.method == "ensure_guest" and server_id in str(letter.body)]
    return sent.body["spec"]


def test_disks_that_are_asked_for_reach_the_host(cloud, roomy):
    image = cloud.image()
    devices = [
        {"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": image},
        {"source_type": "blank", "destination_type": "local", "guest_format": "ext2", "volume_size": 3},
        {"source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": 32},
    ]

    server_id = cloud.boot(image, flavorRef=roomy, block_device_mapping_v2=devices)
    cloud.wait_for(server_id, "ACTIVE")

    assert spec_of(cloud, server_id)["blank_disks"] == [
        {"size_mib": 3072, "format": "ext2"},
        {"size_mib": 32, "format": "swap"},
    ]


def test_without_devices_the_flavor_says_what_disks_there_are(cloud, roomy):
    server_id = cloud.boot(cloud.image(), flavorRef=roomy)
    cloud.wait_for(server_id, "ACTIVE")

    spec = spec_of(cloud, server_id)
    assert (spec["blank_disks"], spec["ephemeral_gib"], spec["swap_mib"]) == (None, 4, 64)


def test_a_tagged_interface_reaches_the_host_with_its_tag(cloud):
    body = {"name": "s", "imageRef": cloud.image(), "flavorRef": "1"}
    networks = cloud.client.simulate_get("/network/v2.0/networks", headers=cloud.log_in("demo")).json["networks"]
    body["networks"] = [{"uuid": networks[0]["id"], "tag": "front"}]

    answer = cloud.ask("POST", "/servers", {"server": body}, version="2.42")
    server_id = answer.json["server"]["id"]
    cloud.wait_for(server_id, "ACTIVE")

    assert [interface["tag"] for interface in spec_of(cloud, server_id)["interfaces"]] == ["front"]
