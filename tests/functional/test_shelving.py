"""Shelving through all daemons: off the host, the quota kept, and back again."""

from __future__ import annotations

import pytest
from functional.cloud import running
from functional.test_servers import NOTHING, everything_left, instances_used, project_of
from functional.test_snapshots import busy, images, settled

from nova_lite.db.tables.servers import servers


def act(cloud, server_id, action, content=None, status=202, **more):
    answer = cloud.ask("POST", f"/servers/{server_id}/action", {action: content}, **more)
    assert answer.status_code == status, answer.text


def come_to(cloud, server_id, status):
    cloud.wait_for(server_id, status)
    settled(cloud, server_id)
    return cloud.server(server_id, user="admin", version="2.3")


def age(cloud, server_id, seconds):
    """Have been shelved for longer."""
    query = servers.update().where(servers.c.id == server_id).values(shelved_at=servers.c.shelved_at - seconds)
    cloud.database.transact(lambda tx: tx.execute(query))


@pytest.fixture
def server_id(cloud):
    made = cloud.boot(cloud.image())
    come_to(cloud, made, "ACTIVE")
    return made


@pytest.fixture
def patient(tmp_path):
    """A cloud whose shelved servers stay on their hosts for ten minutes."""
    with running(tmp_path, "h1", shelved_offload_s=600) as cloud:
        yield cloud


def test_a_server_leaves_its_host_keeps_its_address_and_comes_back(cloud, server_id):
    before = cloud.server(server_id, user="admin")
    project = project_of(cloud, server_id)

    act(cloud, server_id, "shelve")
    shelved = come_to(cloud, server_id, "SHELVED_OFFLOADED")

    (image,) = images(cloud, image_type="snapshot")
    assert (image["name"], image["status"], image["instance_uuid"]) == ("s-shelved", "active", server_id)
    assert shelved["OS-EXT-SRV-ATTR:host"] is None
    assert shelved["addresses"] == before["addresses"]
    assert everything_left(cloud) == NOTHING | {"ports": 1}
    assert instances_used(cloud, project) == 1

    act(cloud, server_id, "unshelve")
    back = come_to(cloud, server_id, "ACTIVE")

    assert back["addresses"] == before["addresses"] and back["image"] == before["image"]
    assert back["OS-EXT-SRV-ATTR:host"] in cloud.hosts
    assert images(cloud, image_type="snapshot") == []
    assert everything_left(cloud)["claims"] == everything_left(cloud)["guests"] == 1
    act(cloud, server_id, "reboot", {"type": "HARD"})
    come_to(cloud, server_id, "ACTIVE")


def test_a_server_that_came_back_moves_though_its_shelved_image_is_gone(cloud, server_id):
    act(cloud, server_id, "shelve")
    come_to(cloud, server_id, "SHELVED_OFFLOADED")
    act(cloud, server_id, "unshelve")
    come_to(cloud, server_id, "ACTIVE")
    image = cloud.server(server_id)["image"]["id"]
    assert cloud.client.simulate_delete(f"/image/v2/images/{image}", headers=cloud.log_in("demo")).status_code == 204

    act(cloud, server_id, "migrate", user="admin")
    come_to(cloud, server_id, "VERIFY_RESIZE")
    act(cloud, server_id, "confirmResize", status=204)
    come_to(cloud, server_id, "ACTIVE")


def test_a_delete_clears_the_image_in_each_state(patient):
    image = patient.image()
    on_host, nowhere = patient.boot(image, "a"), patient.boot(image, "b")
    for server_id in (on_host, nowhere):
        come_to(patient, server_id, "ACTIVE")
        act(patient, server_id, "shelve")
        come_to(patient, server_id, "SHELVED")
    act(patient, nowhere, "shelveOffload", user="admin")
    come_to(patient, nowhere, "SHELVED_OFFLOADED")
    assert len(images(patient, image_type="snapshot")) == 2

    for server_id in (on_host, nowhere):
        assert patient.ask("DELETE", f"/servers/{server_id}").status_code == 204
        patient.wait_gone(server_id)

    assert images(patient, image_type="snapshot") == []
    assert everything_left(patient) == NOTHING


def test_a_delete_while_shelving_and_while_unshelving_leaves_nothing(cloud, server_id):
    other = cloud.boot(cloud.image())
    come_to(cloud, other, "ACTIVE")
    act(cloud, other, "shelve")
    come_to(cloud, other, "SHELVED_OFFLOADED")
    for host in cloud.hosts:
        cloud.behave(host, '{"upload_snapshot": {"delay_s": 30}, "ensure_guest": {"delay_s": 30}}')
    act(cloud, server_id, "shelve")
    act(cloud, other, "unshelve")
    cloud.wait(lambda: busy(cloud, server_id) == "shelving_image_uploading", "it is being sent")
    cloud.wait(lambda: busy(cloud, other) == "spawning", "it is being built")

    for one in (server_id, other):
        assert cloud.ask("DELETE", f"/servers/{one}").status_code == 204
        cloud.wait_gone(one)

    assert images(cloud, image_type="snapshot") == []
    assert everything_left(cloud) == NOTHING


def test_a_shelved_server_stays_for_its_time_and_is_back_at_once(patient):
    server_id = patient.boot(patient.image())
    come_to(patient, server_id, "ACTIVE")

    act(patient, server_id, "shelve")
    shelved = come_to(patient, server_id, "SHELVED")
    offloading = patient.conductor._offloading
    assert offloading.reconcile() == 0
    assert (shelved["OS-EXT-SRV-ATTR:host"], shelved["OS-EXT-STS:power_state"]) == ("h1", 4)
    act(patient, server_id, "unshelve", {"availability_zone": "nova"}, 409, version="2.77")
    act(patient, server_id, "unshelve")
    come_to(patient, server_id, "ACTIVE")
    assert images(patient, image_type="snapshot") == []

    act(patient, server_id, "shelve")
    come_to(patient, server_id, "SHELVED")
    age(patient, server_id, 601)
    assert offloading.reconcile() == 1
    come_to(patient, server_id, "SHELVED_OFFLOADED")
    assert offloading.reconcile() == 0
    assert everything_left(patient) == NOTHING | {"ports": 1}


def test_shelving_that_fails_leaves_the_server_running(cloud, server_id):
    for host in cloud.hosts:
        cloud.behave(host, '{"upload_snapshot": {"fail": {"message": "broken", "host_at_fault": false}}}')

    act(cloud, server_id, "shelve")
    settled(cloud, server_id)

    assert cloud.server(server_id)["status"] == "ACTIVE"
    assert images(cloud, image_type="snapshot") == []
    powers = [host._doors.driver.list_guests() for host in cloud.hosts.values()]
    assert [guest.power_state for guests in powers for guest in guests] == [1]


def test_unshelving_goes_to_another_host_when_one_fails(cloud, server_id):
    act(cloud, server_id, "shelve")
    come_to(cloud, server_id, "SHELVED_OFFLOADED")
    cloud.behave("h1", '{"ensure_guest": {"fail": {"message": "broken"}}}')
    cloud.behave("h2", '{"ensure_guest": {"fail": {"message": "broken"}}}')

    act(cloud, server_id, "unshelve")
    settled(cloud, server_id)

    assert cloud.server(server_id)["status"] == "SHELVED_OFFLOADED"
    assert everything_left(cloud) == NOTHING | {"ports": 1}
    assert len(images(cloud, image_type="snapshot")) == 1
    cloud.behave("h2", "{}")
    act(cloud, server_id, "unshelve")
    assert come_to(cloud, server_id, "ACTIVE")["OS-EXT-SRV-ATTR:host"] == "h2"


def test_a_place_may_be_named_and_a_zone_pinned_or_not(cloud, server_id):
    act(cloud, server_id, "shelve")
    come_to(cloud, server_id, "SHELVED_OFFLOADED")

    refused = [
        ({"availability_zone": "nowhere"}, 400, "demo", "2.77"),
        ({"host": "h2"}, 403, "demo", "2.91"),
        ({"host": "nobody"}, 400, "admin", "2.91"),
        ({"host": "h2"}, 400, "admin", "2.77"),
        ({"availability_zone": None}, 400, "demo", "2.77"),
    ]
    for content, status, user, version in refused:
        act(cloud, server_id, "unshelve", content, status, user=user, version=version)
    act(cloud, server_id, "unshelve", {"host": "h2", "availability_zone": "nova"}, user="admin", version="2.91")
    assert come_to(cloud, server_id, "ACTIVE")["OS-EXT-SRV-ATTR:host"] == "h2"
    assert pinned(cloud, server_id) == "nova"

    act(cloud, server_id, "shelve")
    come_to(cloud, server_id, "SHELVED_OFFLOADED")
    act(cloud, server_id, "unshelve", {"availability_zone": None}, version="2.91")
    come_to(cloud, server_id, "ACTIVE")
    assert pinned(cloud, server_id) is None


def pinned(cloud, server_id):
    with cloud.database.read() as tx:
        return tx.execute(servers.select().where(servers.c.id == server_id)).mappings().one()["requested_zone"]


def test_locked_servers_and_wrong_states_are_refused(cloud, server_id):
    act(cloud, server_id, "unshelve", None, 409)
    act(cloud, server_id, "shelveOffload", None, 409, user="admin")
    act(cloud, server_id, "shelveOffload", None, 403)
    act(cloud, server_id, "lock")

    act(cloud, server_id, "shelve", None, 409)

    assert cloud.server(server_id)["status"] == "ACTIVE"
