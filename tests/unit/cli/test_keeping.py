"""Passwords and the footprint of an installation."""

from __future__ import annotations

import stat

import pytest

from nova_lite import errors
from nova_lite.cli import keeping
from nova_lite.cli.footprint import Footprint


def test_passwords_are_made_once_and_differ(tmp_path):
    first = keeping.passwords(tmp_path / "keys")

    assert keeping.passwords(tmp_path / "keys") == first
    assert len({first["admin"], first["demo"]}) == 2
    assert len(first["admin"]) >= 24
    assert stat.S_IMODE((tmp_path / "keys/passwords.json").stat().st_mode) == 0o600


def test_new_password_leaves_the_others(tmp_path):
    first = keeping.passwords(tmp_path)

    more = keeping.passwords(tmp_path, ("admin", "demo", "extra"))

    assert {name: more[name] for name in first} == first


def test_damaged_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "passwords.json").write_text("{")

    with pytest.raises(errors.ConfigError, match=r"passwords\.json is damaged"):
        keeping.passwords(tmp_path)


def test_footprint_remembers_until_it_is_undone(tmp_path):
    Footprint(tmp_path).add("started", "rabbitmq-server")
    Footprint(tmp_path).add("started", "rabbitmq-server")

    held = Footprint(tmp_path)

    assert held.names("started") == ("rabbitmq-server",)
    held.remove("started", "rabbitmq-server")
    held.remove("started", "rabbitmq-server")
    assert not Footprint(tmp_path).has("started", "rabbitmq-server")
