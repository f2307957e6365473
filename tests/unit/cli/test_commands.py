"""The operator's command as a person calls it, without daemons."""

from __future__ import annotations

import json
import sqlite3
import time

import pytest
from click.testing import CliRunner

from nova_lite.cli.main import COMMANDS, command
from nova_lite.clock import SystemClock
from nova_lite.db import delegation
from nova_lite.db.engine import Database
from nova_lite.identity import keys
from nova_lite.identity.vault import Vault, vault_file
from nova_lite.model.delegation import StoredCredential


@pytest.fixture
def call(tmp_path):
    configuration = tmp_path / "nova-lite.conf"
    configuration.write_text(f"[DEFAULT]\nstate_dir={tmp_path}/state\nrun_dir={tmp_path}/run\nlog_dir={tmp_path}/log\n")
    (tmp_path / "state").mkdir()

    def run(*arguments):
        return CliRunner().invoke(command, ["--config-file", str(configuration), *arguments])

    return run


def test_help_names_every_command(call):
    answer = call("--help")

    assert answer.exit_code == 0
    assert all(name in answer.output for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(call, name):
    answer = call(name, "--help")

    assert answer.exit_code == 0, answer.output
    assert "Usage:" in answer.output


def test_unknown_command_is_refused(call):
    assert call("fly").exit_code == 2


def test_missing_configuration_file_is_named():
    answer = CliRunner().invoke(command, ["--config-file", "/no/such.conf", "config", "list"])

    assert answer.exit_code == 2
    assert "/no/such.conf" in answer.output


def test_unknown_option_in_the_file_is_named(call, tmp_path):
    (tmp_path / "nova-lite.conf").write_text("[api]\nprot=1\n")

    answer = call("config", "list")

    assert answer.exit_code == 2
    assert "[api] prot" in answer.output


def test_value_out_of_range_is_named(call, tmp_path):
    (tmp_path / "nova-lite.conf").write_text("[api]\nthreads=100000\n")

    answer = call("config", "list")

    assert answer.exit_code == 2
    assert "threads" in answer.output


def test_config_list_says_where_a_value_came_from(call, tmp_path, monkeypatch):
    monkeypatch.setenv("OS_API__PORT", "9999")

    rows = {(row["group"], row["option"]): row for row in json.loads(call("config", "list", "--json").output)}

    assert rows["api", "port"]["value"] == "9999"
    assert rows["api", "port"]["source"] == "environment"
    assert rows["DEFAULT", "state_dir"]["source"].endswith("nova-lite.conf")
    assert rows["api", "threads"]["source"] == "default"


def test_database_goes_from_empty_to_sound(call):
    before = json.loads(call("db", "version", "--json").output)
    refused = call("db", "check")
    upgraded = call("db", "upgrade")
    again = call("db", "upgrade")

    assert before["database"] is None
    assert refused.exit_code == 2
    assert "nova-lite db upgrade" in refused.output
    assert "Upgraded from nothing" in upgraded.output
    assert "already" in again.output
    assert call("db", "check").exit_code == 0


def test_empty_cloud_has_no_hosts_and_no_operations(call):
    call("db", "upgrade")

    assert json.loads(call("host", "list", "--json").output) == []
    assert json.loads(call("operation", "list", "--json").output) == []
    assert json.loads(call("operation", "list", "--all", "--json").output) == []


def test_unknown_host_and_operation_are_not_found(call):
    call("db", "upgrade")

    assert "There is no host nowhere" in call("host", "disable", "nowhere").output
    assert call("operation", "show", "nothing").exit_code == 1
    assert call("operation", "cancel", "nothing").exit_code == 1


def test_status_of_a_cloud_that_does_not_run_says_how_to_start_it(call):
    call("db", "upgrade")

    answer = call("status")

    assert answer.exit_code == 1
    assert "nova-lite up" in answer.output


def test_doctor_finds_that_nothing_runs(call):
    call("db", "upgrade")

    answer = call("doctor", "--json")

    assert answer.exit_code == 1
    assert {"daemons", "broker", "hosts"} <= {finding["check"] for finding in json.loads(answer.output)}


@pytest.fixture
def database(call, tmp_path):
    assert call("db", "upgrade").exit_code == 0
    made = Database(f"sqlite:///{tmp_path}/state/nova-lite.db")
    yield made
    made.dispose()


@pytest.mark.usefixtures("database")
def test_rotating_keys_adds_one_that_signs_and_keeps_those_that_check(call, tmp_path):
    path = keys.key_file(tmp_path / "state")
    keys.ensure_keys(path, time.time())
    before = keys.read(path)

    answer = call("identity", "rotate-keys")

    assert answer.exit_code == 0, answer.output
    after = keys.read(path)
    assert [key.id for key in after[1:]] == [key.id for key in before]
    assert after[0].id in answer.output
    assert path.stat().st_mode & 0o777 == 0o600


def test_rotating_keys_seals_stored_credentials_anew_and_is_written_down(call, database, tmp_path):
    state = tmp_path / "state"
    keys.ensure_keys(keys.key_file(state), time.time())
    keys.ensure_keys(vault_file(state), time.time() - 60)
    vault = Vault(vault_file(state), SystemClock())
    before = vault.seal("secret", "c-1")
    kept = StoredCredential(id="c-1", user_id="u-1", type="cert", blob=before)
    database.transact(lambda tx: delegation.CREDENTIALS.insert(tx, kept))

    answer = call("identity", "rotate-keys")

    assert "sealed anew: 1" in answer.output
    with database.read() as tx:
        after = delegation.CREDENTIALS.get(tx, "c-1").blob
    assert after.split(".")[1] == keys.read(vault_file(state))[0].id != before.split(".")[1]
    assert vault.open(after, "c-1") == "secret"
    event = json.loads((tmp_path / "log" / "audit.log").read_text())
    assert (event["action"], event["outcome"]) == ("rotated.key", "success")
    assert event["target"]["id"] == keys.read(keys.key_file(state))[0].id
    assert event["initiator"]["name"]


@pytest.mark.usefixtures("database")
def test_rotating_keys_drops_those_whose_tokens_have_expired(call, tmp_path):
    path = keys.key_file(tmp_path / "state")
    keys.ensure_keys(path, 1_000_000.0)
    keys.rotate(path, 1_100_000.0, 3600)
    old = keys.read(path)[-1]

    answer = call("identity", "rotate-keys")

    assert f"{old.id} is gone" in answer.output
    assert old.id not in [key.id for key in keys.read(path)]


def test_rotating_keys_needs_keys(call):
    answer = call("identity", "rotate-keys")

    assert answer.exit_code == 2
    assert "cannot be read" in answer.output


def test_registering_needs_the_other_mode(call):
    answer = call("identity", "register")

    assert answer.exit_code == 2
    assert "mode" in answer.output


@pytest.mark.parametrize("sources", [(), ("--database", "sqlite:///x", "--from-keystone", "http://k")])
def test_import_wants_one_source(call, sources):
    answer = call("identity", "import", *sources)

    assert answer.exit_code == 2
    assert "--from-keystone" in answer.output


@pytest.mark.parametrize("by_variable", [True, False])
def test_import_from_what_is_no_keystone_is_refused(call, tmp_path, monkeypatch, by_variable):
    assert call("db", "upgrade").exit_code == 0
    sqlite3.connect(tmp_path / "other.db").close()
    url = f"sqlite:///{tmp_path}/other.db"
    if by_variable:  # where no list of processes shows its password
        monkeypatch.setenv("KEYSTONE_DATABASE", url)

    answer = call("identity", "import", *(() if by_variable else ("--database", url)))

    assert answer.exit_code == 2
    assert "no Keystone's database" in answer.output


def test_import_by_the_api_wants_an_administrator(call, monkeypatch):
    for name in ("OS_USERNAME", "OS_PASSWORD", "OS_CLOUD"):
        monkeypatch.delenv(name, raising=False)
    assert call("db", "upgrade").exit_code == 0

    answer = call("identity", "import", "--from-keystone", "http://127.0.0.1:9/v3")

    assert answer.exit_code == 2
    assert "OS_USERNAME" in answer.output


def test_import_tells_when_keystone_does_not_answer(call, monkeypatch):
    monkeypatch.setenv("OS_USERNAME", "admin")
    monkeypatch.setenv("OS_PASSWORD", "secret-word")
    assert call("db", "upgrade").exit_code == 0

    answer = call("identity", "import", "--from-keystone", "http://127.0.0.1:9/v3", "--dry-run")

    assert answer.exit_code == 1
    assert "http://127.0.0.1:9/v3 does not answer: no connection can be made." in answer.output
    assert "secret-word" not in answer.output


def test_metadefs_are_loaded_once_and_replaced_when_asked(call, tmp_path):
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"namespace": "Lab", "tags": [{"name": "round"}]}))
    call("db", "upgrade")

    first = call("metadefs", "load")
    again = call("metadefs", "load", "--json")
    own = call("metadefs", "load", str(file))
    replaced = call("metadefs", "load", str(tmp_path), "--replace")

    assert first.exit_code == 0
    assert "added    OS::Compute::Quota" in first.output
    assert json.loads(again.output)["added"] == []
    assert "OS::Compute::Quota" in json.loads(again.output)["kept"]
    assert own.output.split() == ["added", "Lab"]
    assert replaced.output.split() == ["replaced", "Lab"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is no JSON"), ("{}", "namespace"), ('{"namespace": "n", "colour": "red"}', "colour"), ("[]", "object")],
)
def test_metadefs_of_a_wrong_file_are_refused_by_name(call, tmp_path, text, words):
    file = tmp_path / "own.json"
    file.write_text(text)
    call("db", "upgrade")

    answer = call("metadefs", "load", str(file))

    assert answer.exit_code == 2
    assert "own.json" in answer.output
    assert words in answer.output
