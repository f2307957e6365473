"""Daemons that cannot start, as processes: each says why in a line that names what to change, with exit code 78."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from nova_lite.db import migrate
from nova_lite.db.engine import Database
from nova_lite.identity.service import ensure_all_keys
from nova_lite.rpc import signing

DAEMONS = ("api", "conductor", "scheduler", "compute")
EXIT_CONFIG = 78


@pytest.fixture
def state_dir(tmp_path):
    """Make a cloud's state without a broker: an up-to-date database and the keys."""
    database = Database(f"sqlite:///{tmp_path}/nova-lite.db")
    migrate.upgrade(database)
    database.dispose()
    signing.ensure_control_key(tmp_path / "keys")
    ensure_all_keys(tmp_path, time.time())
    return tmp_path


def start(daemon: str, state_dir: Path, more: str = "") -> tuple[int, str]:
    """Start a daemon, which is to end by itself; give its exit code and what it wrote."""
    config = state_dir / "nova-lite.conf"
    config.write_text(
        f"[DEFAULT]\nstate_dir = {state_dir}\nhealth_port = 0\n"
        f"[broker]\nurl = amqp://user:hidden-word@127.0.0.1:1/cloud\n{more}"
    )
    done = subprocess.run(
        [Path(sys.prefix) / "bin" / f"nova-lite-{daemon}", "--config-file", config],
        env={name: value for name, value in os.environ.items() if not name.startswith("OS_")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("daemon", DAEMONS)
@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("[api]\nthreads = 100000\n", "[api] threads"),
        ("[api]\nprot = 80\n", "[api] prot"),
        ("[apy]\nport = 80\n", "[apy] port"),
    ],
)
def test_an_option_that_is_wrong_is_named(daemon, wrong, named, state_dir):
    code, words = start(daemon, state_dir, wrong)

    assert code == EXIT_CONFIG
    assert named in words
    assert len(words.splitlines()) == 1
    assert "hidden-word" not in words


@pytest.mark.parametrize("daemon", ["api", "conductor", "scheduler"])
def test_a_database_of_a_newer_era_is_left_alone(daemon, state_dir):
    url = f"sqlite:///{state_dir}/nova-lite.db"
    database = Database(url)
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE schema_version SET version_num = '2.0'"))
        before = connection.execute(sa.text("SELECT count(*) FROM services")).scalar_one()

    code, words = start(daemon, state_dir)

    assert code == EXIT_CONFIG
    assert "The database has version 2.0, made by a newer release" in words
    assert "hidden-word" not in words
    with database.engine.begin() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM services")).scalar_one() == before
    database.dispose()


@pytest.mark.parametrize("file", ["tokens.json", "credentials.json"])
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(Path.unlink, id="missing"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), id="unreadable"),
        pytest.param(lambda path: path.write_bytes(b"\xff{"), id="not what we wrote"),
    ],
)
def test_keys_of_identity_that_cannot_be_used_are_named(file, spoil, state_dir):
    path = state_dir / "keys" / file
    spoil(path)
    left = path.read_bytes() if path.is_file() else None

    code, words = start("api", state_dir)

    assert code == EXIT_CONFIG
    assert str(path) in words and "copy" in words
    assert len(words.splitlines()) == 1
    assert (path.read_bytes() if path.is_file() else None) == left  # no new ones in their place
