"""`nova-lite identity withdraw`: what the API refuses to take away."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from nova_lite.cli.main import command
from nova_lite.db import assignments
from nova_lite.db import identity as db
from nova_lite.db.engine import Database
from nova_lite.db.migrate import upgrade
from nova_lite.identity.bootstrap import bootstrap

PLACES = (("--project", "admin"), ("--system",), ())


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    upgrade(database)
    bootstrap(database, admin_password="a", demo_password="d", region="r", public_url="http://cloud.test")
    yield database
    database.dispose()


@pytest.fixture
def withdraw(database, tmp_path):
    configuration = tmp_path / "nova-lite.conf"

    def run(*arguments, mode=""):
        configuration.write_text(f"[DEFAULT]\nstate_dir={tmp_path}\n[database]\nurl=sqlite:///{tmp_path / 'x.db'}\n{mode}\n")
        return CliRunner().invoke(command, ["--config-file", str(configuration), "identity", "withdraw", *arguments])

    return run


def has_admin(database):
    with database.read() as tx:
        return assignments.has_admin(tx)


def test_the_last_admin_is_taken_away_by_force_only(withdraw, database):
    for place in PLACES[:2]:
        assert withdraw("admin", "admin", *place).exit_code == 0

    refused = withdraw("admin", "admin")
    assert refused.exit_code != 0
    assert has_admin(database)

    done = withdraw("admin", "admin", "--force")

    assert done.exit_code == 0, done.output
    assert done.output == "admin has the role admin no more on the domain Default.\n"
    assert not has_admin(database)


def test_its_tokens_end(withdraw, database):
    assert withdraw("demo", "member", "--project", "demo").exit_code == 0

    with database.read() as tx:
        assert db.newest_revocation(tx) > 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("nobody", "admin"),
        ("admin", "nothing"),
        ("admin", "admin", "--domain", "nowhere"),
        ("admin", "admin", "--project", "nowhere"),
        ("admin", "reader"),
        ("admin", "admin", "--project", "admin", "--system"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_changes(withdraw, database, arguments):
    with database.read() as tx:
        before = db.ASSIGNMENTS.list_by(tx)

    assert withdraw(*arguments, "--force").exit_code != 0

    with database.read() as tx:
        assert db.ASSIGNMENTS.list_by(tx) == before


def test_with_an_outside_keystone_it_is_done_there(withdraw):
    refused = withdraw("admin", "admin", "--force", mode="[identity]\nmode = keystone\nauth_url = http://127.0.0.1:1/v3")

    assert refused.exit_code != 0
    assert "openstack role remove" in refused.output + str(refused.exception)
