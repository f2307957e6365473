"""Images on the hosts of an aggregate before a server needs them, through all daemons."""

from __future__ import annotations

import hashlib

CONTENT = b"x" * 4096


def driver_of(cloud, name):
    return cloud.hosts[name]._doors.driver


def test_the_hosts_of_an_aggregate_fetch_an_image_and_no_other_host_does(cloud):
    image = cloud.image(CONTENT)
    made = cloud.ask("POST", "/os-aggregates", {"aggregate": {"name": "fast"}}, user="admin").json["aggregate"]
    chosen, *others = cloud.hosts
    place = f"/os-aggregates/{made['id']}"
    added = cloud.ask("POST", f"{place}/action", {"add_host": {"host": chosen}}, user="admin")
    assert added.status_code == 200, added.text

    answer = cloud.ask("POST", f"{place}/images", {"cache": [{"id": image}]}, user="admin", version="2.81")

    assert answer.status_code == 202, answer.text
    sha512 = hashlib.sha512(CONTENT).hexdigest()
    cloud.wait(lambda: sha512 in driver_of(cloud, chosen).images, "the host has the image")
    assert not any(sha512 in driver_of(cloud, name).images for name in others)
