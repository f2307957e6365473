"""Interfaces of servers that are there, through all daemons."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from functional.cloud import running
from functional.test_actions import actions_of, guest_of
from functional.test_notifications import events_of
from functional.test_servers import act

from nova_lite.db.tables.networks import ports as port_table


@pytest.fixture
def server_id(cloud):
    made = cloud.boot(cloud.image())
    cloud.wait_for(made, "ACTIVE")
    return made


def attach(cloud, server_id, body=None, version="2.70"):
    asked = {"interfaceAttachment": body or {}}
    return cloud.ask("POST", f"/servers/{server_id}/os-interface", asked, version=version)


def listed(cloud, server_id):
    return cloud.ask("GET", f"/servers/{server_id}/os-interface", version="2.70").json["interfaceAttachments"]


def detach(cloud, server_id, port_id):
    return cloud.ask("DELETE", f"/servers/{server_id}/os-interface/{port_id}")


def wait_for_ports(cloud, server_id, count):
    cloud.wait(lambda: len(listed(cloud, server_id)) == count, f"there are {count} ports")


def addresses_of(cloud, server_id):
    return {one["addr"] for network in cloud.server(server_id)["addresses"].values() for one in network}


def own_port(cloud):
    """Make a port of the user's own."""
    headers = cloud.log_in("demo")
    networks = cloud.client.simulate_get("/network/v2.0/networks", headers=headers).json["networks"]
    body = {"port": {"network_id": networks[0]["id"], "name": "mine"}}
    return cloud.client.simulate_post("/network/v2.0/ports", json=body, headers=headers).json["port"]


def show_port(cloud, port_id):
    answer = cloud.client.simulate_get(f"/network/v2.0/ports/{port_id}", headers=cloud.log_in("demo"))
    return answer.json["port"] if answer.status_code == 200 else None


def agree(cloud, server_id):
    """Whether guest, ports and the server's view agree."""
    there = listed(cloud, server_id)
    assert set(guest_of(cloud, server_id)["size"]["macs"]) == {one["mac_addr"] for one in there}
    assert addresses_of(cloud, server_id) == {one["fixed_ips"][0]["ip_address"] for one in there}
    return there


def test_an_interface_is_there_when_the_answer_comes_and_goes_again(cloud, server_id):
    answer = attach(cloud, server_id, {"tag": "blue"})

    assert answer.status_code == 200, answer.text
    made = answer.json["interfaceAttachment"]
    assert (made["port_state"], made["tag"]) == ("ACTIVE", "blue")
    assert len(agree(cloud, server_id)) == 2
    assert detach(cloud, server_id, made["port_id"]).status_code == 202
    wait_for_ports(cloud, server_id, 1)
    agree(cloud, server_id)
    assert show_port(cloud, made["port_id"]) is None
    assert actions_of(cloud, server_id)[:2] == [("detach_interface", None), ("attach_interface", None)]


def test_a_users_own_port_comes_back(cloud, server_id):
    port = own_port(cloud)

    assert attach(cloud, server_id, {"port_id": port["id"]}).json["interfaceAttachment"]["port_id"] == port["id"]
    assert show_port(cloud, port["id"])["device_id"] == server_id
    detach(cloud, server_id, port["id"])
    wait_for_ports(cloud, server_id, 1)

    free = show_port(cloud, port["id"])
    assert (free["device_id"], free["device_owner"], free["status"]) == ("", "", "DOWN")
    assert free["fixed_ips"] == port["fixed_ips"]


def test_the_first_interface_can_go_and_the_order_of_the_others_stays(cloud, server_id):
    first = listed(cloud, server_id)[0]["port_id"]
    later = [attach(cloud, server_id).json["interfaceAttachment"]["mac_addr"] for _ in range(2)]

    detach(cloud, server_id, first)
    wait_for_ports(cloud, server_id, 2)

    assert guest_of(cloud, server_id)["size"]["macs"] == later


def test_several_at_once_follow_one_another(cloud, server_id):
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: attach(cloud, server_id).status_code, range(3)))

    assert answers == [200] * 3
    assert len(agree(cloud, server_id)) == 4


def test_requests_with_keys_follow_one_another_too(cloud, server_id):
    def attach_once(number):
        headers = {**cloud.log_in("demo"), "Idempotency-Key": f"interface {number}"}
        path = f"/compute/v2.1/servers/{server_id}/os-interface"
        return cloud.client.simulate_post(path, json={"interfaceAttachment": {}}, headers=headers).status_code

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(attach_once, range(3)))

    assert answers == [200] * 3
    wait_for_ports(cloud, server_id, 4)


def test_a_server_that_is_made_anew_keeps_its_interfaces(cloud, server_id):
    attach(cloud, server_id)
    macs = {one["mac_addr"] for one in listed(cloud, server_id)}

    for body in ({"rebuild": {"imageRef": cloud.server(server_id)["image"]["id"]}}, {"rescue": None}, {"unrescue": None}):
        act(cloud, server_id, body)
        cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] is None, f"{body} is done")
        assert set(guest_of(cloud, server_id)["size"]["macs"]) == macs

    act(cloud, server_id, {"resize": {"flavorRef": "2"}})
    cloud.wait_for(server_id, "VERIFY_RESIZE")
    assert set(guest_of(cloud, server_id)["size"]["macs"]) == macs


def test_what_a_host_cannot_plug_is_told_and_nothing_is_left(cloud, server_id):
    port, before = own_port(cloud), listed(cloud, server_id)
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_interfaces": {"fail": {"message": "No slot is free.", "times": 1}}}))

    answer = attach(cloud, server_id, {"port_id": port["id"]})

    assert (answer.status_code, answer.json["computeFault"]["message"]) == (500, "No slot is free.")
    assert agree(cloud, server_id) == before
    assert show_port(cloud, port["id"])["device_id"] == ""
    assert actions_of(cloud, server_id)[0] == ("attach_interface", "Error")
    assert cloud.server(server_id)["status"] == "ACTIVE"


def test_an_interface_that_the_guest_holds_on_to_stays(cloud, server_id):
    (before,) = listed(cloud, server_id)
    fail = {"message": "The guest does not let go of the interface.", "code": "held", "times": 1}
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_interfaces": {"fail": fail}}))

    detach(cloud, server_id, before["port_id"])
    cloud.wait(lambda: actions_of(cloud, server_id)[0] == ("detach_interface", "Error"), "it is told")

    assert agree(cloud, server_id) == [before]


def test_a_delete_meets_an_attachment_that_takes_long(cloud, server_id):
    port = own_port(cloud)
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_interfaces": {"delay_s": 3}}))

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(attach, cloud, server_id, {"port_id": port["id"]})
        cloud.wait(lambda: len(listed(cloud, server_id)) == 2, "it is accepted")
        assert cloud.ask("DELETE", f"/servers/{server_id}").status_code == 204
        cloud.wait_gone(server_id)
        assert asked.result().status_code in (200, 404, 409)

    assert show_port(cloud, port["id"])["device_id"] == ""
    with cloud.database.read() as tx:
        assert tx.execute(port_table.select().where(port_table.c.server_id == server_id)).all() == []


def test_attaching_and_detaching_are_told(tmp_path, database_url):
    with running(tmp_path, "h1", "h2", url=database_url, announces=True) as telling:
        server_id = telling.boot(telling.image())
        telling.wait_for(server_id, "ACTIVE")
        made = attach(telling, server_id).json["interfaceAttachment"]
        detach(telling, server_id, made["port_id"])
        wait_for_ports(telling, server_id, 1)

        assert [name for name in events_of(telling, server_id) if name.startswith("interface")] == [
            "interface_attach.start",
            "interface_attach.end",
            "interface_detach.start",
            "interface_detach.end",
        ]


def addresses_in_order(cloud, server_id):
    return [one["ip_address"] for port in listed(cloud, server_id) for one in port["fixed_ips"]]


def test_an_address_is_added_and_the_first_one_removed(cloud, server_id):
    (port,) = listed(cloud, server_id)
    first = port["fixed_ips"][0]["ip_address"]

    act(cloud, server_id, {"addFixedIp": {"networkId": port["net_id"]}})
    cloud.wait(lambda: len(addresses_of(cloud, server_id)) == 2, "there are two addresses")

    assert addresses_in_order(cloud, server_id)[0] == first
    assert addresses_of(cloud, server_id) == set(addresses_in_order(cloud, server_id))
    (other,) = addresses_of(cloud, server_id) - {first}
    act(cloud, server_id, {"removeFixedIp": {"address": first}})
    cloud.wait(lambda: addresses_of(cloud, server_id) == {other}, "the first is gone")
    assert addresses_in_order(cloud, server_id) == [other]
    assert actions_of(cloud, server_id)[:2] == [("removeFixedIp", None), ("addFixedIp", None)]


def test_an_address_that_the_host_cannot_let_is_free_again(cloud, server_id):
    (port,) = listed(cloud, server_id)
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_interfaces": {"fail": {"message": "No rules.", "times": 1}}}))

    act(cloud, server_id, {"addFixedIp": {"networkId": port["net_id"]}})
    cloud.wait(lambda: actions_of(cloud, server_id)[0] == ("addFixedIp", "Error"), "it is told")

    assert listed(cloud, server_id) == [port]


def remove_port(cloud, port_id, user="demo"):
    return cloud.client.simulate_delete(f"/network/v2.0/ports/{port_id}", headers=cloud.log_in(user))


@pytest.mark.parametrize("own", [True, False])
def test_a_deleted_port_has_left_the_guest_when_the_answer_comes(cloud, server_id, own):
    port_id = own_port(cloud)["id"] if own else None
    made = attach(cloud, server_id, {"port_id": port_id} if own else {}).json["interfaceAttachment"]["port_id"]

    answers = [remove_port(cloud, made).status_code for _ in range(2)]

    assert answers == [204, 404]
    assert len(agree(cloud, server_id)) == 1
    assert (show_port(cloud, made), actions_of(cloud, server_id)[0]) == (None, ("detach_interface", None))


def test_a_port_deleted_twice_at_once_goes_once(cloud, server_id):
    made = attach(cloud, server_id).json["interfaceAttachment"]["port_id"]

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(lambda _: remove_port(cloud, made).status_code, range(2)))

    assert answers in ([204, 204], [204, 404])
    assert [name for name, _ in actions_of(cloud, server_id)].count("detach_interface") == 1


def test_a_deletion_that_takes_longer_than_anybody_waits_is_done_all_the_same(cloud, server_id):
    port = own_port(cloud)
    attach(cloud, server_id, {"port_id": port["id"]})
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_interfaces": {"delay_s": 1}}))
    cloud.serve(dataclasses.replace(cloud.parts, patience_s=0.0))

    assert remove_port(cloud, port["id"]).status_code == 204

    assert show_port(cloud, port["id"])["device_id"] == server_id
    again = remove_port(cloud, port["id"])
    assert (again.status_code, again.json["NeutronError"]["type"]) == (409, "PortInUse")
    cloud.wait(lambda: show_port(cloud, port["id"]) is None, "it is gone")
    assert len(agree(cloud, server_id)) == 1


def test_a_port_that_the_guest_holds_on_to_is_not_deleted(cloud, server_id):
    (before,) = listed(cloud, server_id)
    fail = {"message": "The guest does not let go of the interface.", "code": "held", "times": 1}
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_interfaces": {"fail": fail}}))

    answer = remove_port(cloud, before["port_id"])

    assert (answer.status_code, answer.json["NeutronError"]["type"]) == (409, "PortInUse")
    assert "does not let go" in answer.json["NeutronError"]["message"]
    assert agree(cloud, server_id) == [before]


def test_a_port_of_a_server_that_is_locked_or_in_another_state_stays(cloud, server_id):
    (before,) = listed(cloud, server_id)
    act(cloud, server_id, {"lock": None})
    locked = remove_port(cloud, before["port_id"])
    act(cloud, server_id, {"unlock": None})
    act(cloud, server_id, {"suspend": None})
    cloud.wait_for(server_id, "SUSPENDED")

    suspended = remove_port(cloud, before["port_id"])

    for answer, why in ((locked, "locked"), (suspended, "suspended")):
        assert (answer.status_code, answer.json["NeutronError"]["type"]) == (409, "PortInUse")
        assert why in answer.json["NeutronError"]["message"]
    assert show_port(cloud, before["port_id"])["device_id"] == server_id


def test_a_port_of_a_server_without_a_guest_goes_at_once(cloud, server_id):
    (first,) = listed(cloud, server_id)
    made = attach(cloud, server_id).json["interfaceAttachment"]
    act(cloud, server_id, {"shelve": None})
    cloud.wait_for(server_id, "SHELVED_OFFLOADED")

    assert remove_port(cloud, made["port_id"]).status_code == 204

    assert addresses_of(cloud, server_id) == {first["fixed_ips"][0]["ip_address"]}
    act(cloud, server_id, {"unshelve": None})
    cloud.wait_for(server_id, "ACTIVE")
    assert [one["port_id"] for one in agree(cloud, server_id)] == [first["port_id"]]


def test_an_admin_takes_a_port_from_a_locked_server(cloud, server_id):
    (before,) = listed(cloud, server_id)
    act(cloud, server_id, {"lock": None})

    assert remove_port(cloud, before["port_id"], "admin").status_code == 204
    assert agree(cloud, server_id) == []


def tell_deleted(cloud, server_id, port_id):
    event = {"name": "network-vif-deleted", "server_uuid": server_id, "tag": port_id}
    answer = cloud.ask("POST", "/os-server-external-events", {"events": [event]}, user="admin")
    return answer.status_code, answer.json["events"][0]["code"]


def test_a_port_that_another_service_deleted_leaves_the_guest(cloud, server_id):
    port_id = attach(cloud, server_id).json["interfaceAttachment"]["port_id"]

    told = [tell_deleted(cloud, server_id, port_id) for _ in range(2)]

    assert told == [(200, 200)] * 2
    wait_for_ports(cloud, server_id, 1)
    agree(cloud, server_id)
    assert [name for name, _ in actions_of(cloud, server_id)].count("detach_interface") == 1


def test_an_event_that_cannot_be_acted_on_now_is_not_said_to_be_done(cloud, server_id):
    (before,) = listed(cloud, server_id)
    act(cloud, server_id, {"suspend": None})
    cloud.wait_for(server_id, "SUSPENDED")

    assert tell_deleted(cloud, server_id, before["port_id"]) == (207, 422)
    assert listed(cloud, server_id) == [before]
