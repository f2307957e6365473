"""`nova-lite policy`: what the operator is told about rules."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from nova_lite.cli.main import command
from nova_lite.db import identity as db
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.identity import roles
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.model.identity import SYSTEM, Actor, Assignment, Target, User


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """A database with admin, demo (a member of demo) and auditor."""
    folder = tmp_path_factory.mktemp("cloud")
    database = Database(f"sqlite:///{folder / 'x.db'}")
    create_all(database)
    bootstrap(database, admin_password="a", demo_password="d", region="r", public_url="http://cloud.test")

    def add_auditor(tx):
        db.USERS.insert(tx, User(id="auditor", name="auditor", domain_id="default", created_at=0.0))
        reader = db.ROLES.find_by(tx, name="reader")
        where = {"target_kind": Target.SYSTEM, "target_id": SYSTEM}
        roles.grant(tx, Assignment(actor_kind=Actor.USER, actor_id="auditor", role_id=reader.id, **where))

    database.transact(add_auditor)
    database.dispose()
    return folder


@pytest.fixture
def call(cloud, tmp_path):
    configuration = tmp_path / "nova-lite.conf"
    lines = [f"[DEFAULT]\nstate_dir={tmp_path}", f"[database]\nurl=sqlite:///{cloud / 'x.db'}"]
    configuration.write_text("\n".join([*lines, f"[identity]\npolicy_file={tmp_path / 'policy.yaml'}\n"]))

    def run(*arguments):
        return CliRunner().invoke(command, ["--config-file", str(configuration), "policy", *arguments])

    return run


CHECKS = {
    "a member may make a server": (("demo", "--project", "demo", "POST", "/compute/v2.1/servers"), True, "project_member_api"),
    "the root may be left out": (("demo", "--project", "demo", "POST", "/servers"), True, "project_member_api"),
    "a member may not in another's project": (
        ("demo", "--project", "demo", "--of", "admin", "os_compute_api:servers:delete"),
        False,
        "project_member_or_admin",
    ),
    "a member may not list users": (("demo", "--project", "demo", "GET", "/v3/users"), False, "identity:list_users"),
    "an admin may": (("admin", "--project", "admin", "GET", "/v3/users"), True, "admin_required"),
    "an action is a third word": (
        ("demo", "--project", "demo", "POST", "/servers/some-id/action", "os-stop"),
        True,
        "project_member_api",
    ),
    "an auditor reads": (("auditor", "--system", "GET", "/v3/users"), True, "identity:list_users"),
    "an auditor changes nothing": (("auditor", "--system", "POST", "/v3/users"), False, "identity:create_user"),
    "without a scope there are no roles": (("admin", "GET", "/v3/users"), False, "identity:list_users"),
}


@pytest.mark.parametrize("case", list(CHECKS))
def test_a_check_says_yes_or_no_and_what_decides(call, case):
    arguments, allowed, by = CHECKS[case]

    answer = call("check", "--json", *arguments)

    said = json.loads(answer.output)
    assert (said["allowed"], said["by"], answer.exit_code) == (allowed, by, 0 if allowed else 3)


def test_a_check_is_a_few_lines_for_people(call):
    answer = call("check", "demo", "--project", "demo", "POST", "/compute/v2.1/servers")

    assert answer.output.splitlines() == [
        "yes",
        "rule   os_compute_api:servers:create, by project_member_api",
        "check  (role:member and project_id:%(project_id)s)",
        "roles  member, reader",
    ]


def test_a_route_that_needs_no_token_is_told(call):
    assert "no token is needed" in call("check", "demo", "POST", "/v3/auth/tokens").output


@pytest.mark.parametrize(
    "arguments",
    [
        ("nobody", "identity:list_users"),
        ("demo", "identity:fly"),
        ("demo", "GET", "/no/such/route"),
        ("demo", "--project", "nowhere", "identity:list_users"),
        ("demo", "--project", "demo", "--system", "identity:list_users"),
    ],
)
def test_what_does_not_exist_is_an_error_of_one_sentence(call, arguments):
    answer = call("check", *arguments)

    assert answer.exit_code == 1
    assert answer.output.startswith("Error: ")


def test_the_list_shows_defaults_and_what_replaces_them(call, tmp_path):
    (tmp_path / "policy.yaml").write_text('"identity:list_users": "role:reader"\n"identity:lst_users": "@"\n')

    every = {row["rule"]: row for row in json.loads(call("list", "--json").output)}
    replaced = json.loads(call("list", "--overridden", "--json").output)

    assert every["identity:list_users"]["default"].startswith("rule:admin_required or ")
    assert every["identity:list_users"]["replaced_by"] == "role:reader"
    assert every["identity:list_users"]["for"] == "GET /v3/users"
    assert [row["rule"] for row in replaced] == ["identity:list_users", "identity:lst_users"]
    assert replaced[1]["default"] is None  # a typing mistake is seen by having no default
    assert {row["rule"] for row in json.loads(call("list", "keypairs", "--json").output)} == {
        f"os_compute_api:os-keypairs:{verb}" for verb in ("index", "show", "create", "delete")
    }


def test_a_bad_policy_file_is_told(call, tmp_path):
    (tmp_path / "policy.yaml").write_text("[not: a: policy")

    answer = call("list")

    assert answer.exit_code == 2
    assert "policy.yaml" in answer.output
