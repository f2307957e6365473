"""Runs a command on a simulated cloud: `tox -e on-cloud -- COMMAND...`; other projects' test suites are judged so.

Real daemons (a console proxy too), a RabbitMQ of their own, four simulated hosts, two public images. The command finds
the cloud in its environment: AUTH_URL, ADMIN_PASSWORD, OS_CLIENT_CONFIG_FILE (clouds `nova-lite` and `nova-lite-admin`),
PUBLIC_URL; and HYPERVISOR_TYPE, by which tempest chooses the hosts for its aggregates.
Everything ends with the command, whose exit code is ours. Needs what tests/real needs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[0] = str(TOP)  # not our own folder

from faults.cloud import SINGLE, Cloud, running  # noqa: E402

from nova_lite.cli import clouds_file, keeping, novnc  # noqa: E402

HOSTS = ("h1", "h2", "h3", "h4")
IMAGES = 2
# Tempest lists images of noise that it says are qcow2, and copies images between stores.
CONFIG = "[image]\nrequire_format_match = no\nstore = first=file://{folder}/first,second=file://{folder}/second\n"
HYPERVISOR_TYPE = "fake"  # what simulated hosts say they are


def environment(cloud: Cloud, folder: Path) -> dict[str, str]:
    """Give what the command is told of the cloud."""
    passwords = keeping.passwords(cloud.installation.keys_dir)
    auth_url = cloud.installation.auth_url
    clouds = folder / "clouds.yaml"
    clouds_file.merge(clouds, clouds_file.entries(auth_url, "RegionOne", passwords))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return (
        {"HYPERVISOR_TYPE": HYPERVISOR_TYPE}
        | kept
        | {
            "AUTH_URL": auth_url,
            "ADMIN_PASSWORD": passwords["admin"],
            "OS_CLIENT_CONFIG_FILE": str(clouds),
            "PUBLIC_URL": cloud.url,
        }
    )


def publish_images(cloud: Cloud) -> None:
    """Have images that every project sees."""
    for number in range(IMAGES):
        change = [{"op": "replace", "path": path, "value": value} for path, value in _public(number).items()]
        media = "application/openstack-images-v2.1-json-patch"
        cloud.request("PATCH", f"/image/v2/images/{cloud.image()}", change, **{"Content-Type": media})


def _public(number: int) -> dict[str, str]:
    return {"/name": f"plain-{number}", "/visibility": "public"}


def _cloud(folder: Path) -> contextlib.AbstractContextManager[Cloud]:
    novnc.ensure(folder / "state")
    return running(
        folder, host_names=HOSTS, spec=dataclasses.replace(SINGLE, consoles=1, extra_config=CONFIG.format(folder=folder))
    )


def main(command: list[str]) -> int:
    """Run the command; give its exit code."""
    if not command:
        sys.stderr.write(__doc__ or "")
        return 2
    with tempfile.TemporaryDirectory(prefix="nova-lite-on-cloud-") as folder, _cloud(Path(folder)) as cloud:
        publish_images(cloud)
        return subprocess.run(command, env=environment(cloud, Path(folder)), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
