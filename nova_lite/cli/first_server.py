"""A first server: image, key, server, and its console until somebody could log in. Each part may be repeated."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova_lite import errors
from nova_lite.cli.cloud import Cloud
from nova_lite.cli.guest_image.builder import GuestImage

IMAGE, SERVER, KEY = "tiny", "first-server", "first-key"
RAM_MIB = 128
POLL_S = 0.3
BOOT_S = 240
PROMPT = re.compile(r"^(\S+) login:", re.MULTILINE)
BOOT_BEGINS = "SYSLINUX"
Say = Callable[[str], None]


def ensure_image(admin: Cloud, guest: GuestImage) -> str:
    """Give the id of the public image, uploaded when missing; a half upload is taken away first."""
    for image in admin.get("image", f"/v2/images?name={IMAGE}&visibility=public")["images"]:
        if image["status"] == "active":
            return str(image["id"])
        admin.delete("image", f"/v2/images/{image['id']}")
    body = {
        "name": IMAGE,
        "disk_format": "qcow2",
        "container_format": "bare",
        "visibility": "public",
        "min_ram": RAM_MIB,
        "hw_rng_model": "virtio",
    }
    image_id = admin.post("image", "/v2/images", body)["id"]
    admin.upload(f"/v2/images/{image_id}/file", guest.disk)
    return str(image_id)


def ensure_key(member: Cloud, private_key: Path) -> str:
    """Give the name of the key pair; the private half is made once and stays in a file."""
    public_key = private_key.with_suffix(".pub")
    if not public_key.exists():
        private_key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private_key.unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", KEY, "-f", str(private_key)]
        subprocess.run(command, check=True, timeout=20, capture_output=True)
    wanted = public_key.read_text(encoding="ascii").strip()
    held = {pair["keypair"]["name"]: pair["keypair"] for pair in member.get("compute", "/os-keypairs")["keypairs"]}
    if KEY in held and held[KEY]["public_key"].strip() != wanted:
        member.delete("compute", f"/os-keypairs/{KEY}")
        del held[KEY]
    if KEY not in held:
        member.post("compute", "/os-keypairs", {"keypair": {"name": KEY, "public_key": wanted, "type": "ssh"}})
    return KEY


def ensure_server(member: Cloud, image_id: str, key_name: str, say: Say) -> dict[str, Any]:
    """Give the server once it is ACTIVE. One that is stopped is started, one that does not start is made anew.

    Raises: NoRoom with the reason that the cloud gave; Unavailable when it takes too long.
    """
    server_id = _find_or_create(member, image_id, key_name)
    server = _wait_until_settled(member, server_id, say)
    if server["status"] == "SHUTOFF":
        member.post("compute", f"/servers/{server_id}/action", {"os-start": None})
        server = _wait_until_settled(member, server_id, say)
    if server["status"] == "SHUTOFF":
        member.delete("compute", f"/servers/{server_id}")
        server = _wait_until_settled(member, _create(member, image_id, key_name), say)
    if server["status"] != "ACTIVE":
        fault = server.get("fault", {}).get("message", "no reason was given")
        raise errors.NoRoom(f"The server is {server['status']}: {fault}")
    return server


def _wait_until_settled(member: Cloud, server_id: str, say: Say) -> dict[str, Any]:
    """Give the server once nothing is being done with it. Raises: Unavailable when that takes too long."""
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline:
        server = dict(member.get("compute", f"/servers/{server_id}")["server"])
        task = server["OS-EXT-STS:task_state"]
        say(str(task or server["status"]).lower())
        if server["status"] != "BUILD" and task is None:
            return server
        time.sleep(POLL_S)
    raise errors.Unavailable(f"The server was not ACTIVE after {BOOT_S} s; see: nova-lite operation list")


def _find_or_create(member: Cloud, image_id: str, key_name: str) -> str:
    for server in member.get("compute", f"/servers/detail?name=^{SERVER}$")["servers"]:
        if server["status"] not in ("ERROR", "DELETED"):
            return str(server["id"])
        member.delete("compute", f"/servers/{server['id']}")
    return _create(member, image_id, key_name)


def _create(member: Cloud, image_id: str, key_name: str) -> str:
    wanted = {
        "name": SERVER,
        "imageRef": image_id,
        "flavorRef": _smallest_flavor(member),
        "key_name": key_name,
        "networks": "auto",
    }
    return str(member.post("compute", "/servers", {"server": wanted})["server"]["id"])


def _smallest_flavor(member: Cloud) -> str:
    fitting = [flavor for flavor in member.get("compute", "/flavors/detail")["flavors"] if flavor["ram"] >= RAM_MIB]
    if not fitting:
        raise errors.NotFound(f"There is no flavor with {RAM_MIB} MiB of memory or more.")
    return str(min(fitting, key=lambda flavor: (flavor["ram"], flavor["disk"], flavor["vcpus"]))["id"])


def wait_for_login(member: Cloud, server_id: str, say: Say) -> str:
    """Give the console's text once its last lines are a login prompt. Raises: Unavailable when none comes."""
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline:
        action = {"os-getConsoleOutput": {"length": 60}}
        text = str(member.post("compute", f"/servers/{server_id}/action", action)["output"]).replace("\r", "")
        text = text[max(0, text.rfind(BOOT_BEGINS)) :]  # the log goes on over restarts
        if PROMPT.search(text):
            return text
        lines = [line for line in text.splitlines() if line.strip()]
        say(lines[-1][:40] if lines else "silent so far")
        time.sleep(POLL_S)
    raise errors.Unavailable(f"No login prompt within {BOOT_S} s; see: openstack console log show {SERVER}")


def addresses(server: dict[str, Any]) -> list[str]:
    """List the server's addresses."""
    return [str(entry["addr"]) for entries in server["addresses"].values() for entry in entries]
