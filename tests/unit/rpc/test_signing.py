"""Keys, join files and secret files."""

from __future__ import annotations

import os
import threading

import pytest

from nova_lite import errors
from nova_lite.rpc import join, signing
from nova_lite.rpc.files import write_secret
from nova_lite.rpc.letter import Letter, pack


def test_the_control_key_is_made_once(tmp_path):
    first = signing.ensure_control_key(tmp_path / "keys")

    second = signing.ensure_control_key(tmp_path / "keys")

    assert signing.public_text(first) == signing.public_text(second)
    assert (tmp_path / "keys" / "control.pub").read_text().strip() == signing.public_text(first)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / "control.key").stat().st_mode & 0o777 == 0o600


def test_processes_that_make_the_key_at_once_agree(tmp_path):
    texts = []

    def make():
        texts.append(signing.public_text(signing.ensure_control_key(tmp_path / "keys")))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(texts) == 8
    assert len(set(texts)) == 1


@pytest.mark.parametrize("content", [None, b"", b"junk"])
def test_a_control_key_that_is_none_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "control.key").write_bytes(content)

    with pytest.raises(errors.ConfigError, match=r"control\.key"):
        signing.read_control_key(tmp_path)


def test_a_new_key_of_a_host_is_taken_at_the_second_message(tmp_path):
    keys = {"h1": "old"}
    control = signing.ControlSigning(signing.Ed25519PrivateKey.generate(), keys.get)
    letter = Letter(to="conductor", method="report", body={"host": "h1"})
    public = signing.public_text(signing.Ed25519PrivateKey.generate())
    packed = pack(letter)
    control.check(letter, packed, signing.HostSigning("h1", "old", public).sign("conductor", packed))
    keys["h1"] = "new"
    proof = signing.HostSigning("h1", "new", public).sign("conductor", packed)

    with pytest.raises(signing.Refused):
        control.check(letter, packed, proof)

    control.check(letter, packed, proof)


def test_a_hosts_key_is_not_looked_up_for_every_message():
    asked = []

    def look_up(host):
        asked.append(host)
        return "key"

    control = signing.ControlSigning(signing.Ed25519PrivateKey.generate(), look_up)
    letter = Letter(to="conductor", method="report", body={"host": "h1"})
    packed = pack(letter)
    host = signing.HostSigning("h1", "key", signing.public_text(signing.Ed25519PrivateKey.generate()))

    for _ in range(5):
        control.check(letter, packed, host.sign("conductor", packed))

    assert asked == ["h1"]


def test_a_changed_message_does_not_fit_its_signature():
    key = signing.Ed25519PrivateKey.generate()
    host = signing.HostSigning("h1", "key", signing.public_text(key))
    packed = pack(Letter(to="compute.h1.h1", method="remove_guest", body={"server_id": "a"}))
    proof = signing.ControlSigning(key, lambda name: None).sign("compute.h1.h1", packed)
    changed = Letter(to="compute.h1.h1", method="remove_guest", body={"server_id": "b"})

    with pytest.raises(signing.Refused):
        host.check(changed, pack(changed), proof)


@pytest.mark.parametrize("value", ["", "not base64", "AAAA"])
def test_a_signature_that_is_none_is_refused(value):
    key = signing.Ed25519PrivateKey.generate()
    host = signing.HostSigning("h1", "key", signing.public_text(key))
    letter = Letter(to="compute.h1.h1", method="remove_guest", body={})

    with pytest.raises(signing.Refused):
        host.check(letter, pack(letter), signing.Proof(by="control", value=value))


def test_a_join_file_is_read_as_it_was_written(tmp_path):
    wanted = join.JoinFile(
        host="h1", broker_url="amqp://u:secret@h/v", control_public_key="k", mac_key="m", api_url="http://a", zone="z"
    )
    path = join.default_path(tmp_path, "h1")

    wanted.write(path)

    assert join.read(path) == wanted
    assert path == tmp_path / "hosts" / "h1.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "secret" not in repr(wanted)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b'{"host": 1}'])
def test_a_join_file_that_is_none_is_told(tmp_path, content):
    path = tmp_path / "join.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(errors.ConfigError, match="join"):
        join.read(path)


def test_a_secret_file_is_replaced_whole(tmp_path):
    path = tmp_path / "secret"
    write_secret(path, b"old")

    write_secret(path, b"new")

    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_secret_that_root_writes_belongs_to_whom_the_folder_belongs(tmp_path):
    os.chown(tmp_path, 65534, 65534)

    write_secret(tmp_path / "key", b"new")

    assert (tmp_path / "key").stat().st_uid == 65534
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
