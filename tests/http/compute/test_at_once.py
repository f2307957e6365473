"""Requests that come at the same moment."""

from __future__ import annotations

import threading

import pytest


@pytest.fixture
def ask(client, world):
    """Give a function that sends a request as demo."""
    headers = {"X-Auth-Token": world.tokens["demo"]}

    def send(method, path, body=None):
        return client.simulate_request(method, f"/compute/v2.1{path}", headers=headers, json=body)

    return send


def at_once(count, work):
    outcomes = []
    barrier = threading.Barrier(count)

    def run():
        barrier.wait()
        outcomes.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def test_fifty_creates_at_once_never_exceed_the_quota(ask, variables):
    body = {"server": {"name": "one of many", "flavorRef": "1", "imageRef": variables["image"]}}

    outcomes = at_once(50, lambda: ask("POST", "/servers", body).status_code)

    assert outcomes == [202] * 10 + [403] * 40
    used = ask("GET", "/limits").json["limits"]["absolute"]
    assert (used["totalInstancesUsed"], used["totalCoresUsed"], used["totalRAMUsed"]) == (10, 10, 1280)
    assert len(ask("GET", "/servers?name=one%20of%20many").json["servers"]) == 10


def test_a_delete_sent_twice_at_once_is_accepted_once_and_found_under_way(ask, variables):
    outcomes = at_once(2, lambda: ask("DELETE", f"/servers/{variables['active']}").status_code)

    assert outcomes == [204, 204]
    actions = ask("GET", f"/servers/{variables['active']}/os-instance-actions").json["instanceActions"]
    assert [action["action"] for action in actions] == ["delete"]


def test_stop_and_delete_at_once_end_with_a_delete_under_way(ask, variables):
    path = f"/servers/{variables['active']}"
    work = iter([("DELETE", path, None), ("POST", f"{path}/action", {"os-stop": None})])

    outcomes = at_once(2, lambda: ask(*next(work)).status_code)

    assert outcomes in ([202, 204], [204, 409])
    assert ask("GET", path).json["server"]["OS-EXT-STS:task_state"] == "deleting"


def test_one_key_pair_of_a_name_comes_of_many_at_once(ask):
    body = {"keypair": {"name": "mine"}}

    outcomes = at_once(8, lambda: ask("POST", "/os-keypairs", body).status_code)

    assert outcomes == [200] + [409] * 7


def test_a_boot_is_accepted_with_few_statements(ask, variables, database):
    from sqlalchemy import event

    body = {"server": {"name": "s", "flavorRef": "1", "imageRef": variables["image"]}}
    assert ask("POST", "/servers", body).status_code == 202  # makes the quota's rows
    seen = []
    event.listen(database.engine, "before_cursor_execute", lambda c, cursor, statement, *rest: seen.append(statement))

    assert ask("POST", "/servers", body).status_code == 202

    assert len([statement for statement in seen if not statement.startswith("BEGIN")]) <= 7
