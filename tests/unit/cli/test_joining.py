"""Setting a broker up that lost everything: the hosts' users come back with the passwords that the hosts have."""

from __future__ import annotations

import json
import stat

import pytest

from nova_lite.cli import joining
from nova_lite.cli.installation import Installation
from nova_lite.rpc import broker, join


@pytest.fixture
def installation(tmp_path):
    config = tmp_path / "nova-lite.conf"
    config.write_text(
        f"[DEFAULT]\nstate_dir = {tmp_path}/state\nrun_dir = {tmp_path}/run\nlog_dir = {tmp_path}/log\n"
        "[broker]\nurl = amqp://control:secret@127.0.0.1:5672/cloud\n"
    )
    return Installation((config,))


@pytest.fixture
def ctl(tmp_path):
    """A rabbitmqctl that keeps what it is told."""
    program = tmp_path / "rabbitmqctl"
    program.write_text(f"#!/bin/sh\ncat >> {tmp_path}/told\necho >> {tmp_path}/told\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return broker.Ctl(command=(str(program),))


def write_join_file(installation, name, password):
    join.JoinFile(
        host=name,
        broker_url=f"amqp://host-{name}:{password}@127.0.0.1:5672/cloud",
        control_public_key="key",
        mac_key="mac",
        api_url="http://127.0.0.1:8774",
    ).write(join.default_path(installation.daemon.state_dir, name))


def users_told(tmp_path):
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines() if line]
    return {user["name"]: user["password"] for one in told for user in one.get("users", ())}


def test_the_hosts_users_are_made_again_with_the_passwords_they_have(tmp_path, installation, ctl):
    write_join_file(installation, "h1", "first")
    write_join_file(installation, "h2", "second")

    names = joining.set_up_broker(installation, ctl)

    assert names == ["h1", "h2"]
    assert users_told(tmp_path) == {"control": "secret", "host-h1": "first", "host-h2": "second"}


def test_a_file_that_is_no_join_file_is_left_out(tmp_path, installation, ctl):
    write_join_file(installation, "h1", "first")
    join.default_path(installation.daemon.state_dir, "torn").write_text("{")

    assert joining.set_up_broker(installation, ctl) == ["h1"]
    assert set(users_told(tmp_path)) == {"control", "host-h1"}
