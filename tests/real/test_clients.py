"""The unchanged `openstack` client against a cloud of real daemons, RabbitMQ of its own and the fake hypervisor."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from faults.cloud import Cloud

from nova_lite.cli import clouds_file, keeping
from nova_lite.cli.guest_image import builder

TOP = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "clients.sh"
SCRIPT_S = 480  # some hundred commands, of which each takes a second to start, or several on a busy machine

pytestmark = [pytest.mark.rabbit, pytest.mark.slow]


def client() -> str:
    named = os.environ.get("OPENSTACK") or TOP / ".venv-client/bin/openstack"
    found = shutil.which(named) or shutil.which("openstack")
    if found is None:
        pytest.skip("there is no openstack client: ./run-tests and ./quickstart install one into .venv-client")
    return found


@pytest.fixture
def cloud(rabbit, tmp_path):
    cloud = Cloud(tmp_path, rabbit, host_names=("first", "second"))
    try:
        cloud.set_up()
        cloud.start()
        yield cloud
    finally:
        cloud.close()


@pytest.mark.timeout(600)
def test_daily_commands_of_the_openstack_client_work(cloud, tmp_path):
    installation = cloud.installation
    passwords = keeping.passwords(installation.keys_dir)
    clouds = tmp_path / "clouds.yaml"
    clouds_file.merge(clouds, clouds_file.entries(installation.auth_url, "RegionOne", passwords))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    environment |= {"OS_CLIENT_CONFIG_FILE": str(clouds), "OPENSTACK": client(), "HOME": str(tmp_path)}

    done = subprocess.run(
        [str(SCRIPT), str(builder.ensure().disk)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SCRIPT_S,
    )

    assert done.returncode == 0, done.stdout + done.stderr
