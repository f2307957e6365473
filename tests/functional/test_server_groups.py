"""Server groups and hints through all daemons: who lands where, also when many come at once."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

HINTS = "os:scheduler_hints"


def make_group(cloud, policy, **rules):
    body = {"server_group": {"name": "g", "policy": policy, **({"rules": rules} if rules else {})}}
    answer = cloud.ask("POST", "/os-server-groups", body, version="2.64")
    assert answer.status_code == 200, answer.text
    return answer.json["server_group"]["id"]


def create(cloud, image, hints, **more):
    body = {"server": {"name": "s", "imageRef": image, "flavorRef": "1", **more}, HINTS: hints}
    return cloud.ask("POST", "/servers", body)


def boot(cloud, image, hints):
    answer = create(cloud, image, hints)
    assert answer.status_code == 202, answer.text
    return answer.json["server"]["id"]


def settled(cloud, server_ids):
    """Wait for all; give how many ended in which state, and how many live on each host."""

    def shown():
        return [cloud.server(server_id, user="admin") for server_id in server_ids]

    cloud.wait(lambda: all(server["status"] in ("ACTIVE", "ERROR") for server in shown()), "all are settled")
    states = Counter(server["status"] for server in shown())
    return states, Counter(server["OS-EXT-SRV-ATTR:host"] for server in shown() if server["status"] == "ACTIVE")


def at_once(cloud, image, hints, count):
    cloud.log_in("demo")
    made = []
    threads = [threading.Thread(target=lambda: made.append(boot(cloud, image, hints))) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


def test_of_servers_made_at_once_an_anti_affinity_group_never_has_two_on_a_host(cloud):
    group = make_group(cloud, "anti-affinity")

    made = at_once(cloud, cloud.image(), {"group": group}, 6)

    states, hosts = settled(cloud, made)
    assert states == {"ACTIVE": 2, "ERROR": 4}
    assert hosts == {"h1": 1, "h2": 1}
    faults = [shown["fault"]["message"] for server_id in made if (shown := cloud.server(server_id))["status"] == "ERROR"]
    assert set(faults) == {"No host can take the server: of 2 hosts 2 have enough servers of the group (anti-affinity)."}


def test_a_group_may_have_so_many_servers_on_a_host_as_its_rule_says(cloud):
    group = make_group(cloud, "anti-affinity", max_server_per_host=2)

    states, hosts = settled(cloud, at_once(cloud, cloud.image(), {"group": group}, 5))

    assert states == {"ACTIVE": 4, "ERROR": 1}
    assert hosts == {"h1": 2, "h2": 2}


def test_servers_of_an_affinity_group_made_at_once_share_a_host(cloud):
    group = make_group(cloud, "affinity")

    states, hosts = settled(cloud, at_once(cloud, cloud.image(), {"group": group}, 6))

    assert states == {"ACTIVE": 6}
    assert list(hosts.values()) == [6]


@pytest.mark.parametrize(("policy", "shares"), [("soft-affinity", [3]), ("soft-anti-affinity", [1, 2])])
def test_soft_groups_are_kept_as_far_as_there_is_room(cloud, policy, shares):
    image, group = cloud.image(), make_group(cloud, policy)
    made = []
    for _ in range(3):
        made.append(boot(cloud, image, {"group": group}))
        cloud.wait_for(made[-1], "ACTIVE")

    _, hosts = settled(cloud, made)

    assert sorted(hosts.values()) == shares


def test_one_request_for_many_is_spread_by_its_group_or_fails_as_a_whole(cloud):
    image = cloud.image()
    two, three = make_group(cloud, "anti-affinity"), make_group(cloud, "anti-affinity")

    assert create(cloud, image, {"group": two}, min_count=2).status_code == 202
    assert create(cloud, image, {"group": three}, min_count=3).status_code == 202

    members = {group: cloud.ask("GET", f"/os-server-groups/{group}").json["server_group"]["members"] for group in (two, three)}
    assert settled(cloud, members[two]) == ({"ACTIVE": 2}, {"h1": 1, "h2": 1})
    assert settled(cloud, members[three]) == ({"ERROR": 3}, {})


def test_a_deleted_server_leaves_its_group_and_makes_room_in_it(cloud):
    image, group = cloud.image(), make_group(cloud, "anti-affinity")
    first, second = boot(cloud, image, {"group": group}), boot(cloud, image, {"group": group})
    settled(cloud, [first, second])

    assert cloud.ask("DELETE", f"/servers/{first}").status_code == 204
    cloud.wait_gone(first)

    assert cloud.ask("GET", f"/os-server-groups/{group}").json["server_group"]["members"] == [second]
    third = boot(cloud, image, {"group": group})
    states, hosts = settled(cloud, [second, third])
    assert (states, hosts) == ({"ACTIVE": 2}, {"h1": 1, "h2": 1})


def test_a_group_that_is_removed_binds_its_servers_no_more(cloud):
    image, group = cloud.image(), make_group(cloud, "affinity")
    first = boot(cloud, image, {"group": group})
    cloud.wait_for(first, "ACTIVE")

    assert cloud.ask("DELETE", f"/os-server-groups/{group}").status_code == 204

    assert cloud.server(first, version="2.71")["server_groups"] == []
    assert create(cloud, image, {"group": group}).status_code == 400


def test_a_server_is_made_beside_another_or_away_from_it(cloud):
    image = cloud.image()
    first = cloud.boot(image)
    cloud.wait_for(first, "ACTIVE")

    beside = boot(cloud, image, {"same_host": first})
    away = boot(cloud, image, {"different_host": [first]})
    nowhere = boot(cloud, image, {"same_host": "00000000-0000-0000-0000-0000000000ff"})

    settled(cloud, [beside, away, nowhere])
    host = {one: cloud.server(one, user="admin")["OS-EXT-SRV-ATTR:host"] for one in (first, beside, away, nowhere)}
    assert host[beside] == host[first] != host[away]
    assert host[nowhere] is None


def test_aggregates_and_traits_guide_servers(cloud):
    made = cloud.ask("POST", "/os-aggregates", {"aggregate": {"name": "fast"}}, user="admin").json["aggregate"]["id"]
    for action in ({"add_host": {"host": "h2"}}, {"set_metadata": {"metadata": {"ssd": "true"}}}):
        assert cloud.ask("POST", f"/os-aggregates/{made}/action", action, user="admin").status_code == 200
    flavor = {"flavor": {"name": "fast", "ram": 64, "vcpus": 1, "disk": 1, "id": "fast"}}
    assert cloud.ask("POST", "/flavors", flavor, user="admin").status_code == 200
    specs = {"aggregate_instance_extra_specs:ssd": "true", "trait:COMPUTE_NODE": "required"}
    cloud.ask("POST", "/flavors/fast/os-extra_specs", {"extra_specs": specs}, user="admin")

    image = cloud.image()
    made = [cloud.boot(image, flavorRef="fast") for _ in range(3)]

    assert settled(cloud, made) == ({"ACTIVE": 3}, {"h2": 3})
