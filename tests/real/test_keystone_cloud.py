"""A cloud of real daemons whose users are a real Keystone's: the unchanged `openstack` client does its daily commands."""

from __future__ import annotations

import dataclasses
import os
import subprocess

import pytest
import requests
from click.testing import CliRunner
from faults.cloud import SINGLE, Cloud
from real.test_clients import SCRIPT, SCRIPT_S, client

from nova_lite.cli import checks, clouds_file
from nova_lite.cli.guest_image import builder
from nova_lite.cli.installation import Installation
from nova_lite.cli.main import command

pytestmark = [pytest.mark.rabbit, pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def clouds(keystone, tmp_path):
    """A clouds.yaml with Keystone's administrator and a member."""
    keystone.add_member("demo", "demo-pw")
    path = tmp_path / "clouds.yaml"
    entries = {
        clouds_file.ADMIN: keystone.entry(),
        clouds_file.MEMBER: keystone.entry(user="demo", password="demo-pw", project="demo"),
    }
    clouds_file.merge(path, entries)
    return path


@pytest.fixture
def cloud(rabbit, keystone, tmp_path):
    spec = dataclasses.replace(SINGLE, extra_config=f"[identity]\nmode = keystone\nauth_url = {keystone.url}\n")
    cloud = Cloud(tmp_path, rabbit, host_names=("first", "second"), spec=spec)
    try:
        yield cloud
    finally:
        cloud.close()


def problems(cloud):
    return [finding.problem for finding in checks.keystone(Installation((cloud.config,)))]


def test_daily_commands_work_on_a_cloud_whose_users_are_keystones(cloud, keystone, clouds, tmp_path):
    cloud.set_up()
    assert any("no password" in problem for problem in problems(cloud))
    register = ["--config-file", str(cloud.config), "identity", "register", "--os-cloud", clouds_file.ADMIN]
    first, second = (
        CliRunner(env={"OS_CLIENT_CONFIG_FILE": str(clouds)}).invoke(command, register, catch_exceptions=False) for _ in "12"
    )
    assert first.exit_code == second.exit_code == 0, first.output + second.output
    assert "already" in second.output
    assert (cloud.installation.keys_dir / "keystone.password").stat().st_mode & 0o777 == 0o600
    assert problems(cloud) == []
    cloud.start()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    environment |= {"OS_CLIENT_CONFIG_FILE": str(clouds), "OPENSTACK": client(), "HOME": str(tmp_path)}

    done = subprocess.run(
        [str(SCRIPT), str(builder.ensure().disk)],
        env=environment, capture_output=True, text=True, check=False, timeout=SCRIPT_S,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    keystone.stop()
    try:
        answer = requests.get(f"{cloud.url}/compute/v2.1/servers", headers={"X-Auth-Token": "gAAAA-unknown"}, timeout=60)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert any("does not answer" in problem for problem in problems(cloud))
    finally:
        keystone.start()
    answer = requests.get(f"{cloud.url}/compute/v2.1/servers", headers={"X-Auth-Token": "gAAAA-unknown"}, timeout=60)
    assert answer.status_code == 401
    assert keystone.url in answer.headers["WWW-Authenticate"]
