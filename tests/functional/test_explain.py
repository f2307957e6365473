"""`nova-lite explain` on a cloud: what was decided then, what is so now, and nothing of it for users."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from nova_lite.cli.main import command
from nova_lite.inventory import hosts
from nova_lite.model.ids import HostName


@pytest.fixture
def call(cloud):
    config = cloud.folder / "nova-lite.conf"
    config.write_text(f"[DEFAULT]\nstate_dir = {cloud.folder}\n[database]\nurl = {cloud.url}\n")
    return lambda *words: CliRunner().invoke(command, ["--config-file", str(config), "explain", *words])


@pytest.fixture
def explain(call):
    def account(server_id):
        answer = call(server_id, "--json")
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.output)

    return account


def enable(cloud, name, enabled):
    cloud.database.transact(lambda tx: hosts.set_enabled(tx, HostName(name), enabled=enabled, reason=None))


def test_a_refusal_is_explained_with_its_remedy_and_with_what_changed(cloud, call, explain):
    names = [host.name for host in cloud.listed_hosts()]
    for name in names:
        enable(cloud, name, False)
    server_id = cloud.boot(cloud.image())
    fault = cloud.wait_for(server_id, "ERROR")["fault"]["message"]

    then = explain(server_id)
    enable(cloud, names[0], True)
    now = explain(server_id)

    assert fault == f"No host can take the server: of {len(names)} hosts {len(names)} are disabled."
    assert then["cause"] == fault
    assert then["remedies"][0].startswith("enable ")
    assert {one["host"] for one in then["decisions"][0]["explanation"]["verdicts"]} == set(names)
    assert then["changes"] == []
    assert now["decisions"] == then["decisions"]
    assert f"{names[0]}: is disabled then; fitted now" in now["changes"]
    assert "it would be decided otherwise" in call(server_id).output


def test_a_placed_server_is_explained_by_its_weights(cloud, call, explain):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")

    account = explain(server_id)

    first = account["decisions"][0]["explanation"]["verdicts"][0]
    assert (account["host"], account["cause"]) == (first["host"], None)
    assert set(first["weights"]) >= {"ram", "vcpu", "building"}
    assert "fits, weight" in call(server_id).output


def test_one_of_many_is_explained_by_the_choice_for_all(cloud, explain):
    cloud.boot(cloud.image(), "m", min_count=2, max_count=2)
    servers = cloud.ask("GET", "/servers").json["servers"]
    for server in servers:
        cloud.wait_for(server["id"], "ACTIVE")

    assert [decision["step"] for decision in explain(servers[0]["id"])["decisions"]] == ["choose_for_all"]


def test_a_server_that_nobody_knows_is_an_error(call):
    answer = call("nobody")

    assert answer.exit_code == 1
    assert "There is no server nobody" in answer.output


def test_a_server_is_explained_by_its_name(cloud, call):
    image = cloud.image()
    first = cloud.boot(image, "blue")
    cloud.wait_for(first, "ACTIVE")

    assert f"server {first}" in call("blue").output
    assert call("green").exit_code != 0

    second = cloud.boot(image, "blue")
    cloud.wait_for(second, "ACTIVE")
    several = call("blue")
    assert several.exit_code != 0
    assert first in several.output
    assert second in several.output

    for server_id in (first, second):
        cloud.ask("DELETE", f"/servers/{server_id}")
        cloud.wait_gone(server_id)
    assert f"server {second}" in call("blue").output, "the newest of those that are gone"
