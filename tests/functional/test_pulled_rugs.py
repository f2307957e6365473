"""What servers stand on is taken away under them: quota, flavor, image. They go on; new ones are refused."""

from __future__ import annotations


def admin(cloud, method, path, body=None, version="2.1"):
    answer = cloud.ask(method, path, body, user="admin", version=version)
    assert answer.status_code < 400, answer.text
    return answer.json if answer.content else None


def act(cloud, server_id, action):
    answer = cloud.ask("POST", f"/servers/{server_id}/action", action)
    assert answer.status_code == 202, answer.text


def create(cloud, image, flavor="1"):
    body = {"server": {"name": "more", "imageRef": image, "flavorRef": flavor}}
    return cloud.ask("POST", "/servers", body).status_code


def test_quota_lowered_below_use_stops_new_servers_and_nothing_else(cloud):
    image = cloud.image()
    first, second = cloud.boot(image, "first"), cloud.boot(image, "second")
    cloud.wait_for(first, "ACTIVE")
    cloud.wait_for(second, "ACTIVE")
    project = cloud.server(first, user="admin")["tenant_id"]
    place = f"/os-quota-sets/{project}"
    assert cloud.ask("PUT", place, {"quota_set": {"instances": 1}}, user="admin").status_code == 400
    admin(cloud, "PUT", place, {"quota_set": {"instances": 1, "force": True}})

    assert create(cloud, image) == 403
    act(cloud, first, {"os-stop": None})
    cloud.wait_for(first, "SHUTOFF")
    act(cloud, first, {"os-start": None})
    cloud.wait_for(first, "ACTIVE")
    for server_id in (first, second):
        assert create(cloud, image) == 403
        assert cloud.ask("DELETE", f"/servers/{server_id}").status_code == 204
        cloud.wait_gone(server_id)

    assert create(cloud, image) == 202, "nothing is used any more: what was over the limit was given back as well"
    assert admin(cloud, "GET", f"{place}/detail")["quota_set"]["instances"] == {"in_use": 1, "limit": 1, "reserved": 0}


def test_a_flavor_deleted_under_a_server_is_still_the_servers(cloud):
    image = cloud.image()
    flavor = {"name": "passing", "id": "passing", "vcpus": 1, "ram": 64, "disk": 1}
    admin(cloud, "POST", "/flavors", {"flavor": flavor})
    body = {"server": {"name": "s", "imageRef": image, "flavorRef": "passing"}}
    server_id = cloud.ask("POST", "/servers", body).json["server"]["id"]
    admin(cloud, "DELETE", "/flavors/passing")
    cloud.wait_for(server_id, "ACTIVE")

    assert cloud.ask("GET", f"/servers/{server_id}", version="2.47").json["server"]["flavor"]["original_name"] == "passing"
    assert create(cloud, image, "passing") == 400
    for act_, state in (
        ({"os-stop": None}, "SHUTOFF"),
        ({"os-start": None}, "ACTIVE"),
        ({"reboot": {"type": "HARD"}}, "ACTIVE"),
    ):
        act(cloud, server_id, act_)
        cloud.wait_for(server_id, state)
    again = {"name": "passing", "id": "passing", "vcpus": 4, "ram": 4096, "disk": 1}
    admin(cloud, "POST", "/flavors", {"flavor": again})
    assert cloud.ask("GET", f"/servers/{server_id}", version="2.47").json["server"]["flavor"]["vcpus"] == 1

    assert cloud.ask("DELETE", f"/servers/{server_id}").status_code == 204
    cloud.wait_gone(server_id)
    used = cloud.ask("GET", "/limits").json["limits"]["absolute"]
    assert (used["totalInstancesUsed"], used["totalCoresUsed"], used["totalRAMUsed"]) == (0, 0, 0)


def test_an_image_deleted_under_a_server_leaves_it_running(cloud):
    image = cloud.image()
    server_id = cloud.boot(image)
    cloud.wait_for(server_id, "ACTIVE")

    gone = cloud.client.simulate_delete(f"/image/v2/images/{image}", headers=cloud.log_in("demo"))

    assert gone.status_code == 204, gone.text
    act(cloud, server_id, {"reboot": {"type": "HARD"}})
    cloud.wait_for(server_id, "ACTIVE")
    assert create(cloud, image) in (400, 404)
