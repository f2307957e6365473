"""Servers of an AMI-style image: its kernel and ramdisk are images of their own, from boot to snapshot."""

from __future__ import annotations

import json

import pytest
from functional.test_actions import guest_of
from functional.test_servers import act

from nova_lite.api.compute import boot_parts
from nova_lite.workflows import rescue

LINE = "root=/dev/vda ro quiet"


def make(cloud, kind, content, user="demo", **properties):
    """Make an image; with content it is active."""
    headers = cloud.log_in(user)
    body = {"name": kind, "disk_format": kind, "container_format": kind if kind.startswith("a") else "bare", **properties}
    made = cloud.client.simulate_post("/image/v2/images", json=body, headers=headers)
    assert made.status_code == 201, made.text
    image = made.json["id"]
    if content is not None:
        headers = {**headers, "Content-Type": "application/octet-stream"}
        put = cloud.client.simulate_put(f"/image/v2/images/{image}/file", body=content, headers=headers)
        assert put.status_code == 204, put.text
    return image


@pytest.fixture
def triple(cloud):
    kernel, ramdisk = make(cloud, "aki", b"k" * 512), make(cloud, "ari", b"r" * 512)
    return make(cloud, "ami", b"d" * 4096, kernel_id=kernel, ramdisk_id=ramdisk, os_command_line=LINE), kernel, ramdisk


def settled(cloud, server_id):
    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] is None, "nothing is in hand")


def refused(cloud, image):
    answer = cloud.ask("POST", "/servers", {"server": {"name": "s", "imageRef": image, "flavorRef": "1"}})
    return answer.status_code, answer.json.get("badRequest", {}).get("message", "")


def test_a_guest_boots_with_kernel_and_ramdisk_through_its_life(cloud, triple):
    image, kernel, ramdisk = triple
    server_id = cloud.boot(image)
    cloud.wait_for(server_id, "ACTIVE")
    direct = {"kernel": kernel, "ramdisk": ramdisk, "command_line": LINE}

    assert guest_of(cloud, server_id)["direct"] == direct
    shown = cloud.ask("GET", f"/servers/{server_id}", user="admin", version="2.3").json["server"]
    assert (shown["OS-EXT-SRV-ATTR:kernel_id"], shown["OS-EXT-SRV-ATTR:ramdisk_id"]) == (kernel, ramdisk)
    act(cloud, server_id, {"rescue": None})
    cloud.wait_for(server_id, "RESCUE")
    assert guest_of(cloud, server_id)["rescue_direct"] == direct
    act(cloud, server_id, {"unrescue": None})
    cloud.wait_for(server_id, "ACTIVE")
    assert "rescue_direct" not in guest_of(cloud, server_id)
    act(cloud, server_id, {"rescue": {"rescue_image_ref": cloud.image()}})
    cloud.wait_for(server_id, "RESCUE")
    assert guest_of(cloud, server_id)["rescue_direct"] is None  # that disk has a loader
    act(cloud, server_id, {"unrescue": None})
    cloud.wait_for(server_id, "ACTIVE")
    act(cloud, server_id, {"resize": {"flavorRef": "2"}})
    cloud.wait_for(server_id, "VERIFY_RESIZE")
    assert guest_of(cloud, server_id)["direct"] == direct


def test_a_rescue_boots_with_what_was_looked_at_whatever_its_image_names_later(cloud, triple, monkeypatch):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    foreign = make(cloud, "ari", b"secret", "admin", visibility="private")
    accept = rescue.accept_rescue

    def changed_before(*asked):
        change = [{"op": "replace", "path": "/ramdisk_id", "value": foreign}]
        headers = {**cloud.log_in("demo"), "Content-Type": "application/openstack-images-v2.1-json-patch"}
        answer = cloud.client.simulate_patch(f"/image/v2/images/{triple[0]}", body=json.dumps(change), headers=headers)
        assert answer.status_code == 200, answer.text
        accept(*asked)

    monkeypatch.setattr(rescue, "accept_rescue", changed_before)
    act(cloud, server_id, {"rescue": {"rescue_image_ref": triple[0]}})
    cloud.wait_for(server_id, "RESCUE")

    assert guest_of(cloud, server_id)["rescue_direct"] == {"kernel": triple[1], "ramdisk": triple[2], "command_line": LINE}
    monkeypatch.undo()
    act(cloud, server_id, {"unrescue": None})
    cloud.wait_for(server_id, "ACTIVE")
    again = cloud.ask("POST", f"/servers/{server_id}/action", {"rescue": {"rescue_image_ref": triple[0]}})
    assert again.status_code == 400


def test_an_ami_that_names_no_kernel_rescues_with_the_servers(cloud, triple):
    server_id = cloud.boot(triple[0])
    cloud.wait_for(server_id, "ACTIVE")

    act(cloud, server_id, {"rescue": {"rescue_image_ref": make(cloud, "ami", b"d" * 4096)}})
    cloud.wait_for(server_id, "RESCUE")

    assert guest_of(cloud, server_id)["rescue_direct"] == {"kernel": triple[1], "ramdisk": triple[2], "command_line": LINE}


def test_a_ramdisk_without_a_kernel_is_not_looked_at(cloud):
    foreign = make(cloud, "ari", b"r", "admin", visibility="private")
    server_id = cloud.boot(make(cloud, "ami", b"d" * 4096, ramdisk_id=foreign))
    cloud.wait_for(server_id, "ACTIVE")

    assert "direct" not in guest_of(cloud, server_id)


def test_a_snapshot_boots_as_its_server_does(cloud, triple):
    server_id = cloud.boot(triple[0])
    cloud.wait_for(server_id, "ACTIVE")

    act(cloud, server_id, {"createImage": {"name": "snap"}})
    settled(cloud, server_id)

    listed = cloud.client.simulate_get("/image/v2/images?name=snap", headers=cloud.log_in("demo")).json["images"]
    assert [(one["status"], one["kernel_id"], one["ramdisk_id"], one["os_command_line"]) for one in listed] == [
        ("active", *triple[1:], LINE)
    ]
    again = cloud.boot(listed[0]["id"])
    cloud.wait_for(again, "ACTIVE")
    assert guest_of(cloud, again)["direct"]["kernel"] == triple[1]


def test_a_rebuild_takes_what_the_new_image_boots_with(cloud, triple):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    assert "direct" not in guest_of(cloud, server_id)

    act(cloud, server_id, {"rebuild": {"imageRef": triple[0]}})
    settled(cloud, server_id)
    assert guest_of(cloud, server_id)["direct"]["ramdisk"] == triple[2]

    act(cloud, server_id, {"rebuild": {"imageRef": cloud.image()}})
    settled(cloud, server_id)
    assert "direct" not in guest_of(cloud, server_id)


def test_a_kernel_alone_is_enough_and_the_line_is_the_hosts_where_none_is_given(cloud):
    kernel = make(cloud, "aki", b"k" * 512)
    server_id = cloud.boot(make(cloud, "ami", b"d" * 4096, kernel_id=kernel))
    cloud.wait_for(server_id, "ACTIVE")

    assert guest_of(cloud, server_id)["direct"] == {"kernel": kernel, "ramdisk": None, "command_line": None}


def test_what_cannot_be_booted_with_is_refused_before_anything_is_made(cloud, triple):
    foreign = make(cloud, "aki", b"k", "admin", visibility="private")
    waiting = make(cloud, "aki", None)
    assert refused(cloud, triple[1])[0] == 400  # a kernel is no disk
    for wanted, why in ((foreign, "could not be found"), (waiting, "not active")):
        for name in ("kernel_id", "ramdisk_id"):
            image = make(cloud, "ami", b"d" * 4096, **{"kernel_id": triple[1], name: wanted})
            status, message = refused(cloud, image)
            assert (status, why in message, name in message) == (400, True, True)
    iso = make(cloud, "iso", bytes(32768) + b"\x01CD001\x01" + bytes(8185))
    status, message = refused(cloud, make(cloud, "ami", b"d" * 4096, kernel_id=iso))
    assert (status, "is iso" in message) == (400, True)


@pytest.mark.parametrize("big", ["kernel_id", "ramdisk_id"])
def test_a_kernel_or_ramdisk_that_is_too_big_is_refused(cloud, big, monkeypatch):
    usual, large = make(cloud, "aki", b"k" * 512), make(cloud, "ari", b"r" * 513)
    monkeypatch.setattr(boot_parts, "MOST_BOOT_BYTES", 512)

    status, message = refused(cloud, make(cloud, "ami", b"d" * 4096, **{"kernel_id": usual, big: large}))
    assert (status, "too big" in message, big in message) == (400, True, True)
    cloud.wait_for(cloud.boot(make(cloud, "ami", b"d" * 4096, kernel_id=usual)), "ACTIVE")


def test_a_kernel_that_is_gone_fails_the_boot_and_leaves_nothing(cloud, triple):
    server_id = cloud.boot(triple[0])
    cloud.wait_for(server_id, "ACTIVE")
    headers = cloud.log_in("demo")
    assert cloud.client.simulate_delete(f"/image/v2/images/{triple[1]}", headers=headers).status_code == 204

    assert refused(cloud, triple[0])[0] == 400
    answer = cloud.ask("POST", f"/servers/{server_id}/action", {"rebuild": {"imageRef": triple[0]}})
    assert answer.status_code == 400
    assert cloud.server(server_id)["status"] == "ACTIVE"
