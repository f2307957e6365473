"""Flavors' and images' wishes through all daemons: refused before a server is made, by the scheduler, or booked and built."""

from __future__ import annotations

import json

import pytest
from functional.cloud import running

from nova_lite.inventory import hosts
from nova_lite.model.resources import Resources


def make_flavor(cloud, name, specs, vcpus=2, ram=128):
    body = {"flavor": {"name": name, "id": name, "ram": ram, "vcpus": vcpus, "disk": 1}}
    assert cloud.ask("POST", "/flavors", body, user="admin").status_code == 200
    if specs:
        answer = cloud.ask("POST", f"/flavors/{name}/os-extra_specs", {"extra_specs": specs}, user="admin", version="2.86")
        assert answer.status_code == 200, answer.text
    return name


def create(cloud, flavor):
    return cloud.ask("POST", "/servers", {"server": {"name": "s", "imageRef": cloud.image(), "flavorRef": flavor}})


def boot(cloud, flavor):
    answer = create(cloud, flavor)
    assert answer.status_code == 202, answer.text
    server_id = answer.json["server"]["id"]
    cloud.wait(lambda: cloud.server(server_id)["status"] in ("ACTIVE", "ERROR"), "it is settled")
    return server_id, cloud.server(server_id)


@pytest.fixture
def pinning(tmp_path):
    """Run a cloud of one host that keeps three processors for dedicated CPUs."""
    folder = tmp_path / "compute" / "h1"
    folder.mkdir(parents=True)
    (folder / "behaviour.json").write_text(json.dumps({"facts": {"pcpus": 3, "pages_2m": 64}}))
    with running(tmp_path, "h1") as cloud:
        yield cloud


def used(cloud):
    with cloud.database.read() as tx:
        return {host.name: host.used for host in hosts.list_hosts(tx)}


def test_dedicated_cpus_are_booked_once_and_come_back(pinning):
    flavor = make_flavor(pinning, "pinned", {"hw:cpu_policy": "dedicated"})

    first_id, first = boot(pinning, flavor)
    booked = used(pinning)["h1"]
    _, second = boot(pinning, flavor)
    pinning.ask("DELETE", f"/servers/{first_id}")
    pinning.wait(lambda: used(pinning)["h1"].pcpus == 0, "they are free again")

    assert first["status"] == "ACTIVE"
    assert booked == Resources(pcpus=2, ram_mib=128, disk_gib=1)
    assert "lacks dedicated CPUs (2 asked, 1 free at most)" in second["fault"]["message"]


def test_huge_pages_are_booked_instead_of_memory(pinning):
    flavor = make_flavor(pinning, "paged", {"hw:mem_page_size": "2MB"})

    _, first = boot(pinning, flavor)
    _, second = boot(pinning, flavor)

    assert first["status"] == "ACTIVE"
    assert used(pinning)["h1"] == Resources(vcpus=2, pages_2m=64, disk_gib=1)
    assert "lacks pages of 2 MiB (64 asked, 0 free at most)" in second["fault"]["message"]


def test_what_no_host_can_build_is_said_to_the_owner(cloud):
    for name, specs, words in (
        ("pinned", {"hw:cpu_policy": "dedicated"}, "lack dedicated CPUs (2 asked, 0 free at most)"),
        ("machine", {"hw:machine_type": "toaster"}, "offer no machine type toaster"),
        ("pages", {"hw:mem_page_size": "large"}, "lack pages of 2 MiB (64 asked, 0 free at most)"),
        ("nodes", {"hw:numa_nodes": "2"}, "lack NUMA nodes (2 asked, 1 free at most)"),
    ):
        _, server = boot(cloud, make_flavor(cloud, name, specs))

        assert words in server["fault"]["message"]


def test_what_cannot_be_is_refused_before_anything_is_made(cloud):
    for name, specs, words in (
        ("secret", {"hw:mem_encryption": "true"}, "Encrypted memory is not offered"),
        ("odd", {"hw:numa_nodes": "3"}, "do not divide evenly"),
    ):
        answer = create(cloud, make_flavor(cloud, name, specs))

        assert answer.status_code == 400
        assert words in answer.json["badRequest"]["message"]
    assert cloud.ask("GET", "/servers").json["servers"] == []
