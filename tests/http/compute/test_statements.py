"""What reading servers costs the database: the number of statements, whatever the size of the page."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from nova_lite.model.guest import PowerState
from nova_lite.model.server import Server, ServerAddress, ServerState
from nova_lite.servers import flavors, records

MANY = 300
AT_MOST_LISTED, AT_MOST_SHOWN = 4, 3
ALL_OF_IT = {"X-OpenStack-Nova-API-Version": "latest"}


@pytest.fixture
def statements(database):
    sent = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    return sent


@pytest.fixture
def ids(database, variables, world):
    """Have many servers, newest first, each with all that a view shows."""

    def add(tx):
        flavor = flavors.get(tx, "1")
        made = [str(uuid.UUID(int=10_000 + index)) for index in range(MANY)]
        for index, server_id in enumerate(made):
            address = ServerAddress(network="private", ip_address=f"10.0.1.{index % 250}", mac_address="fa:16:3e:00:00:05")
            fields = {"state": ServerState.ACTIVE, "power_state": PowerState.RUNNING, "host": "host1", "key_name": "key"}
            records.insert(
                tx,
                Server(
                    id=server_id,
                    name=f"many-{index}",
                    hostname=f"many-{index}",
                    project_id=world.names["demo_project"],
                    user_id=world.names["demo_user"],
                    flavor=flavor,
                    addresses=(address,),
                    tags=("one",),
                    metadata={"a": "b"},
                    created_at=1_800_000_000.0 + index,
                    updated_at=1_800_000_000.0 + index,
                    **fields,
                ),
            )
        return made[::-1]

    return database.transact(add)


@pytest.fixture
def get(client, world, statements):
    """Give a function that asks as somebody, and counts; the first request has read the revocations of tokens."""

    def ask(path, who):
        headers = ALL_OF_IT | {"X-Auth-Token": world.tokens[who]}
        client.simulate_get("/compute/v2.1/flavors", headers=headers)
        statements.clear()
        answer = client.simulate_get(f"/compute/v2.1{path}", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json, len(statements)

    return ask


@pytest.mark.parametrize("who", ["demo", "admin"])
@pytest.mark.parametrize("path", ["/servers", "/servers/detail"])
def test_a_page_of_any_size_costs_the_same_few_statements(ids, get, path, who):
    query = f"?all_tenants=1&marker={ids[0]}" if who == "admin" else f"?marker={ids[0]}"
    few, cost_of_few = get(f"{path}{query}&limit=2", who)

    many, cost_of_many = get(f"{path}{query}&limit={MANY - 10}", who)

    assert (len(few["servers"]), len(many["servers"])) == (2, MANY - 10)
    assert cost_of_many == cost_of_few <= AT_MOST_LISTED


def test_a_page_with_every_filter_costs_no_more(ids, get):
    query = "name=many&status=active&ip=10.0&tags=one&locked=false&vm_state=active&host=host1&sort_key=task_state"
    _, cost = get(f"/servers/detail?all_tenants=1&{query}&marker={ids[0]}", "admin")

    assert cost <= AT_MOST_LISTED


@pytest.mark.parametrize("who", ["demo", "admin"])
def test_a_server_is_shown_with_few_statements(ids, get, who):
    shown, cost = get(f"/servers/{ids[0]}", who)

    assert shown["server"]["id"] == ids[0]
    assert cost <= AT_MOST_SHOWN


@pytest.mark.parametrize(
    "order", ["sort_key=display_name&sort_dir=asc", "sort_key=launched_at", "sort_key=power_state&sort_dir=asc"]
)
def test_pages_follow_each_other_without_gap_or_repeat(ids, get, order):
    whole, _ = get(f"/servers?{order}&name=many", "demo")
    found, marker = [], ""
    while True:
        page, _ = get(f"/servers?{order}&name=many&limit=70{marker}", "demo")
        found += [server["id"] for server in page["servers"]]
        if "servers_links" not in page:
            break
        marker = f"&marker={found[-1]}"

    assert found == [server["id"] for server in whole["servers"]]
    assert sorted(found) == sorted(ids)
