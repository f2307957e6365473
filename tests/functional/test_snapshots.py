"""Snapshots and backups through all daemons: what users see of them, and what is left when they fail."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.durable import journal


def images(cloud, **fields):
    """Give the images of the Image API that have these fields, newest first."""
    answer = cloud.client.simulate_get("/image/v2/images", headers=cloud.log_in("demo"))
    return [one for one in answer.json["images"] if all(one.get(name) == value for name, value in fields.items())]


def ask(cloud, server_id, action, version="2.1", **content):
    return cloud.ask("POST", f"/servers/{server_id}/action", {action: content}, version=version)


def taken(cloud, answer):
    assert answer.status_code == 202, answer.text
    image_id = answer.json["image_id"] if answer.text else answer.headers["Location"].rpartition("/")[2]
    return image_id


def busy(cloud, server_id):
    return cloud.server(server_id)["OS-EXT-STS:task_state"]


def settled(cloud, server_id):
    cloud.wait(lambda: busy(cloud, server_id) is None, "nothing runs on the server")


@pytest.fixture
def server_id(cloud):
    made = cloud.boot(cloud.image())
    cloud.wait_for(made, "ACTIVE")
    return made


def test_a_snapshot_is_an_image_that_a_server_boots_from(cloud, server_id):
    image_id = taken(cloud, ask(cloud, server_id, "createImage", name="copy", metadata={"mine": "yes"}))
    settled(cloud, server_id)

    (image,) = images(cloud, id=image_id)
    server = cloud.server(server_id)
    assert (image["status"], image["name"], image["visibility"], image["min_disk"]) == ("active", "copy", "private", 1)
    assert (image["disk_format"], image["container_format"]) == ("qcow2", "bare")
    assert (image["image_type"], image["instance_uuid"], image["mine"]) == ("snapshot", server_id, "yes")
    assert (image["base_image_ref"], image["user_id"]) == (server["image"]["id"], server["user_id"])
    assert server["status"] == "ACTIVE"
    other = cloud.boot(image_id, "from-copy")
    cloud.wait_for(other, "ACTIVE")


def test_the_image_is_named_in_the_body_from_2_45_on_and_in_a_header_before(cloud, server_id):
    old = ask(cloud, server_id, "createImage", "2.44", name="old")
    settled(cloud, server_id)
    new = ask(cloud, server_id, "createImage", "2.45", name="new")
    settled(cloud, server_id)

    assert not old.text and old.headers["Location"].endswith(f"/image/v2/images/{images(cloud, name='old')[0]['id']}")
    assert "Location" not in new.headers and new.json == {"image_id": images(cloud, name="new")[0]["id"]}


def test_what_goes_on_shows_in_task_states_and_in_the_servers_actions(cloud, server_id):
    cloud.behave("h1", '{"take_snapshot": {"delay_s": 0.5}, "upload_snapshot": {"delay_s": 0.5}}')
    cloud.behave("h2", '{"take_snapshot": {"delay_s": 0.5}, "upload_snapshot": {"delay_s": 0.5}}')
    ask(cloud, server_id, "createImage", name="copy")
    seen = []

    def look():
        seen.append(busy(cloud, server_id))
        return seen[-1] is None

    cloud.wait(look, "the snapshot is there")
    assert {"image_snapshot", "image_uploading"} <= set(seen)
    action = cloud.ask("GET", f"/servers/{server_id}/os-instance-actions").json["instanceActions"][0]
    events = cloud.ask("GET", f"/servers/{server_id}/os-instance-actions/{action['request_id']}", user="admin")
    assert action["action"] == "createImage"
    assert {"take_snapshot", "upload"} <= {event["event"] for event in events.json["instanceAction"]["events"]}


def test_a_server_that_is_off_is_copied_and_stays_off(cloud, server_id):
    cloud.ask("POST", f"/servers/{server_id}/action", {"os-stop": None})
    cloud.wait_for(server_id, "SHUTOFF")
    settled(cloud, server_id)

    taken(cloud, ask(cloud, server_id, "createImage", name="copy"))
    settled(cloud, server_id)

    assert cloud.server(server_id)["status"] == "SHUTOFF"
    assert images(cloud, name="copy", status="active")


def test_a_snapshot_that_fails_leaves_no_image_and_says_why(cloud, server_id):
    for host in ("h1", "h2"):
        cloud.behave(host, '{"upload_snapshot": {"fail": {"message": "the disk is broken", "host_at_fault": false}}}')

    taken(cloud, ask(cloud, server_id, "createImage", name="copy"))
    settled(cloud, server_id)

    assert images(cloud, name="copy") == []
    assert cloud.server(server_id)["status"] == "ACTIVE"
    story = cloud.ask("GET", f"/servers/{server_id}/os-instance-actions", user="admin").json["instanceActions"][0]
    assert story["message"] == "Error"
    assert not any(cloud.hosts[name]._doors.driver._guests.by_id.get(server_id, {}).get("held") for name in cloud.hosts)


def test_a_full_store_is_an_explained_failure(cloud, server_id, monkeypatch):
    monkeypatch.setattr("nova_lite.image.stores.filesystem.FilesystemStore.begin", full)

    taken(cloud, ask(cloud, server_id, "createImage", name="copy"))
    settled(cloud, server_id)

    assert images(cloud, name="copy") == []
    (operation,) = [one for one in history(cloud, server_id) if one.workflow == "snapshot"]
    assert (operation.outcome, operation.message) == ("failed", "The image store has no room for the image.")


def full(self, key, length):
    raise errors.InsufficientStorage


def history(cloud, server_id):
    with cloud.database.read() as tx:
        return journal.history(tx, "server", server_id)


def test_an_image_deleted_meanwhile_ends_the_snapshot(cloud, server_id):
    for host in ("h1", "h2"):
        cloud.behave(host, '{"take_snapshot": {"delay_s": 0.5}}')
    image_id = taken(cloud, ask(cloud, server_id, "createImage", name="copy"))

    answer = cloud.client.simulate_delete(f"/image/v2/images/{image_id}", headers=cloud.log_in("demo"))
    assert answer.status_code == 204
    settled(cloud, server_id)

    assert cloud.server(server_id)["status"] == "ACTIVE"
    assert images(cloud, name="copy") == []
    assert history(cloud, server_id)[0].outcome == "failed"


def test_a_delete_during_a_snapshot_leaves_neither(cloud, server_id):
    for host in ("h1", "h2"):
        cloud.behave(host, '{"upload_snapshot": {"delay_s": 30}}')
    taken(cloud, ask(cloud, server_id, "createImage", name="copy"))
    cloud.wait(lambda: busy(cloud, server_id) == "image_uploading", "it is being sent")

    assert cloud.ask("DELETE", f"/servers/{server_id}").status_code == 204
    cloud.wait_gone(server_id)

    assert images(cloud, name="copy") == []


def test_a_request_sent_twice_makes_one_image(cloud, server_id):
    headers = {**cloud.log_in("demo"), "Idempotency-Key": "k" * 32, "OpenStack-API-Version": "compute 2.45"}
    body = {"createImage": {"name": "copy"}}

    answers = [
        cloud.client.simulate_post(f"/compute/v2.1/servers/{server_id}/action", json=body, headers=headers) for _ in range(2)
    ]
    settled(cloud, server_id)

    assert answers[0].json == answers[1].json
    assert len(images(cloud, name="copy")) == 1


def test_a_second_one_at_the_same_time_is_refused(cloud, server_id):
    for host in ("h1", "h2"):
        cloud.behave(host, '{"upload_snapshot": {"delay_s": 0.5}}')

    answers = [ask(cloud, server_id, "createImage", name=name) for name in ("one", "two")]
    settled(cloud, server_id)

    assert [answer.status_code for answer in answers] == [202, 409]
    assert images(cloud, name="one") and not images(cloud, name="two")


def test_a_lock_does_not_hold_a_snapshot_off(cloud, server_id):
    cloud.ask("POST", f"/servers/{server_id}/action", {"lock": None})

    taken(cloud, ask(cloud, server_id, "createImage", name="copy"))
    settled(cloud, server_id)

    assert images(cloud, name="copy", status="active")


def test_backups_are_rotated_by_type_and_server(cloud, server_id):
    def back_up(name, kind, rotation):
        answer = ask(cloud, server_id, "createBackup", name=name, backup_type=kind, rotation=rotation)
        settled(cloud, server_id)
        return answer

    back_up("w1", "weekly", 1)
    for number in range(3):
        back_up(f"d{number}", "daily", 2)
    assert [image["name"] for image in images(cloud, image_type="backup", backup_type="daily")] == ["d2", "d1"]

    last = back_up("none", "daily", 0)

    assert "Location" not in last.headers and not last.text
    assert [image["name"] for image in images(cloud, image_type="backup")] == ["w1"]
    assert {image["instance_uuid"] for image in images(cloud, image_type="backup")} == {server_id}


def test_properties_that_are_an_images_own_fields_are_refused(cloud, server_id):
    for name in ("status", "min_disk", "id", "os_glance_x"):
        assert ask(cloud, server_id, "createImage", name="copy", metadata={name: "1"}).status_code == 403
    many = {f"k{number}": "v" for number in range(129)}
    assert ask(cloud, server_id, "createImage", name="copy", metadata=many).status_code == 403

    assert images(cloud, name="copy") == []
