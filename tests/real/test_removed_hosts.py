"""A host that was removed while the broker was away: the doctor finds what is left of it there, and takes it away."""

from __future__ import annotations

import json
import os
import shlex

import kombu
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from nova_lite.cli import removed_hosts
from nova_lite.cli.installation import Installation
from nova_lite.cli.main import command
from nova_lite.db import migrate
from nova_lite.db.tables.inventory import repairs
from nova_lite.inventory import hosts
from nova_lite.model.ids import HostName

pytestmark = [
    pytest.mark.rabbit,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may ask rabbitmqctl"),
]
LIVING, REMOVED, QUEUES_ONLY = "h1", "gone.example", "older"


@pytest.fixture
def installation(tmp_path, rabbit, monkeypatch):
    """A control side whose machine's `rabbitmqctl` is that of the tests' broker."""
    options = rabbit.options("removed")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "broker.url").write_text(options.url)
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in rabbit.environment.items())
    program = tmp_path / "rabbitmqctl"
    program.write_text(f'#!/bin/sh\nexec env {settings} {" ".join(rabbit.ctl.command)} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    config = tmp_path / "nova-lite.conf"
    config.write_text(f"[DEFAULT]\nstate_dir = {tmp_path}\nrun_dir = {tmp_path}\n[compute]\ndriver = fake\n")
    made = Installation((config,))
    migrate.upgrade(made.database)
    for name in (LIVING, REMOVED):
        made.database.transact(lambda tx, name=name: hosts.add_host(tx, HostName(name)))
        rabbit.host_url(options, name)
    with kombu.Connection(options.url) as connection:
        for name in (LIVING, REMOVED, QUEUES_ONLY):
            for queue in (f"compute.{name}", f"compute.{name}.{name}"):
                connection.channel().queue_declare(queue, durable=True, auto_delete=False)
    yield made
    made.database.dispose()


def examine(installation, *options):
    answer = CliRunner().invoke(command, ["--config-file", str(installation.files[0]), "doctor", "--json", *options])
    assert answer.exit_code == 1, answer.output  # no daemon runs here
    return {one["subject"]: one["repair"] for one in json.loads(answer.stdout) if one["check"] == "queues"}


def test_what_the_broker_has_of_removed_hosts_is_found_and_taken_away(installation, rabbit):
    installation.database.transact(lambda tx: hosts.remove_host(tx, HostName(REMOVED)))

    found = examine(installation)
    left = examine(installation, "--repair")

    assert found == dict.fromkeys((REMOVED, QUEUES_ONLY), "remove them from the broker")
    assert left == {}
    assert f"host-{REMOVED}" not in rabbit.run_ctl("list_users")
    queues = set(rabbit.run_ctl("list_queues", "--vhost", "removed", "name").split())
    assert {name for name in queues if name.startswith("compute.")} == {f"compute.{LIVING}", f"compute.{LIVING}.{LIVING}"}
    with installation.database.read() as tx:
        assert set(tx.execute(sa.select(repairs.c.subject)).scalars()) == {REMOVED, QUEUES_ONLY}


def test_a_host_that_was_added_again_meanwhile_is_left_alone(installation, rabbit):
    installation.database.transact(lambda tx: hosts.remove_host(tx, HostName(REMOVED)))
    seen = {one.subject: one for one in removed_hosts.check(installation)}
    installation.database.transact(lambda tx: hosts.add_host(tx, HostName(REMOVED)))

    assert not removed_hosts.mend(installation, seen[REMOVED], by="a test")
    assert f"host-{REMOVED}" in rabbit.run_ctl("list_users")


def test_a_broker_that_is_somebody_elses_is_not_looked_at(installation):
    (installation.keys_dir / "broker.url").unlink()

    assert list(removed_hosts.check(installation)) == []
