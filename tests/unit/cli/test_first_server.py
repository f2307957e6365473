"""The first server, against a cloud that answers from a script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nova_lite import errors
from nova_lite.cli import first_server
from nova_lite.cli.guest_image.builder import GuestImage

GUEST = GuestImage(disk=Path("d"), kernel=Path("k"), initrd=Path("i"), root=Path("r"))
FLAVORS = {"flavors": [{"id": "small", "ram": 512, "disk": 5, "vcpus": 1}, {"id": "nano", "ram": 64, "disk": 0, "vcpus": 1}]}


class ScriptedCloud:
    """Answers of each path in order, the last one for ever; what was asked is kept."""

    def __init__(self, **answers):
        self.answers = {key: list(values) for key, values in answers.items()}
        self.asked = []

    def _next(self, method, path):
        self.asked.append((method, path))
        key = next(key for key in self.answers if re.search(key.replace("_", "."), path))
        values = self.answers[key]
        return values.pop(0) if len(values) > 1 else values[0]

    def get(self, _service, path):
        return self._next("GET", path)

    def post(self, _service, path, body):
        self.asked.append(("BODY", body))
        return self._next("POST", path)

    def delete(self, _service, path):
        self.asked.append(("DELETE", path))

    def upload(self, path, _source):
        self.asked.append(("PUT", path))


def server(status, task=None, **more):
    return {"server": {"id": "s", "status": status, "OS-EXT-STS:task_state": task, "addresses": {}, **more}}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(first_server, "POLL_S", 0)


def test_active_image_is_found_and_not_uploaded_again():
    admin = ScriptedCloud(images=[{"images": [{"id": "i", "status": "active"}]}])

    assert first_server.ensure_image(admin, GUEST) == "i"
    assert [method for method, _ in admin.asked] == ["GET"]


def test_half_upload_is_taken_away_and_done_anew():
    admin = ScriptedCloud(images=[{"images": [{"id": "half", "status": "queued"}]}, {"id": "new"}])

    assert first_server.ensure_image(admin, GUEST) == "new"
    assert ("DELETE", "/v2/images/half") in admin.asked
    assert ("PUT", "/v2/images/new/file") in admin.asked


def test_key_is_made_once_and_kept(tmp_path):
    path = tmp_path / "keys/first"
    empty = ScriptedCloud(keypairs=[{"keypairs": []}, {}])
    first_server.ensure_key(empty, path)
    public = path.with_suffix(".pub").read_text()

    knows = ScriptedCloud(keypairs=[{"keypairs": [{"keypair": {"name": first_server.KEY, "public_key": public}}]}])
    first_server.ensure_key(knows, path)

    assert [method for method, _ in knows.asked] == ["GET"]
    assert path.with_suffix(".pub").read_text() == public


def test_key_of_an_earlier_installation_is_replaced(tmp_path):
    other = {"keypair": {"name": first_server.KEY, "public_key": "ssh-ed25519 AAAA other"}}
    member = ScriptedCloud(keypairs=[{"keypairs": [other]}, {}])

    first_server.ensure_key(member, tmp_path / "first")

    assert ("DELETE", f"/os-keypairs/{first_server.KEY}") in member.asked
    assert ("POST", "/os-keypairs") in member.asked


def test_server_is_waited_for_and_the_smallest_fitting_flavor_taken():
    member = ScriptedCloud(
        detail=[{"servers": []}, FLAVORS],
        servers_s=[server("BUILD", "scheduling"), server("BUILD", "spawning"), server("ACTIVE")],
        servers=[{"server": {"id": "s"}}],
    )
    said = []

    found = first_server.ensure_server(member, "image", "key", said.append)

    assert found["status"] == "ACTIVE"
    assert said == ["scheduling", "spawning", "active"]
    (body,) = [body for method, body in member.asked if method == "BODY"]
    assert body["server"]["flavorRef"] == "small"


def test_failed_server_of_an_earlier_run_is_made_anew():
    member = ScriptedCloud(
        detail=[{"servers": [{"id": "old", "status": "ERROR"}]}, FLAVORS],
        servers_s=[server("ACTIVE")],
        servers=[{"server": {"id": "s"}}],
    )

    first_server.ensure_server(member, "image", "key", lambda _: None)

    assert ("DELETE", "/servers/old") in member.asked


def test_stopped_server_is_started():
    member = ScriptedCloud(
        detail=[{"servers": [{"id": "s", "status": "SHUTOFF"}]}],
        action=[None],
        servers_s=[server("SHUTOFF"), server("SHUTOFF", "powering-on"), server("ACTIVE")],
    )

    first_server.ensure_server(member, "image", "key", lambda _: None)

    assert [path for method, path in member.asked if method == "POST"] == ["/servers/s/action"]


def test_failure_is_told_in_the_clouds_own_words():
    member = ScriptedCloud(
        detail=[{"servers": [{"id": "s", "status": "BUILD"}]}],
        servers_s=[server("ERROR", fault={"message": "1 host: 1 lacks memory"})],
    )

    with pytest.raises(errors.NoRoom, match="1 host: 1 lacks memory"):
        first_server.ensure_server(member, "image", "key", lambda _: None)


def test_console_is_watched_until_the_login_prompt():
    member = ScriptedCloud(action=[{"output": ""}, {"output": "booting\r\n"}, {"output": "GUEST-UP\r\nfirst-server login: "}])
    said = []

    text = first_server.wait_for_login(member, "s", said.append)

    assert text.endswith("first-server login: ")
    assert said == ["silent so far", "booting"]


def test_prompt_of_an_earlier_boot_does_not_count():
    earlier = "SYSLINUX\nfirst-server login: \n"
    member = ScriptedCloud(action=[{"output": earlier + "SYSLINUX\n"}, {"output": earlier + "SYSLINUX\nfirst-server login: "}])

    first_server.wait_for_login(member, "s", lambda _: None)

    assert len([path for method, path in member.asked if method == "POST"]) == 2


def test_server_that_does_not_start_is_made_anew():
    member = ScriptedCloud(
        detail=[{"servers": [{"id": "s", "status": "SHUTOFF"}]}, FLAVORS],
        action=[None],
        servers_s=[server("SHUTOFF"), server("SHUTOFF", "powering-on"), server("SHUTOFF"), server("ACTIVE")],
        servers=[{"server": {"id": "s"}}],
    )

    first_server.ensure_server(member, "image", "key", lambda _: None)

    assert [path for method, path in member.asked if method == "POST"] == ["/servers/s/action", "/servers"]
    assert ("DELETE", "/servers/s") in member.asked
