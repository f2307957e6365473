from __future__ import annotations

import pytest
from oslo_policy import policy as oslo

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.identity import policy as ours
from nova_lite.identity.policy import Policy

RULES = (
    oslo.RuleDefault("admin_required", "role:admin"),
    oslo.DocumentedRuleDefault("thing:get", "project_id:%(project_id)s", "Show.", [{"path": "/x", "method": "GET"}]),
    oslo.DocumentedRuleDefault("thing:delete", "rule:admin_required", "Delete.", [{"path": "/x", "method": "DELETE"}]),
)


def context(*roles, **more):
    return Context(request_id="req-1", user_id="u", roles=frozenset(roles), **more)


def test_a_rule_compares_caller_and_target():
    policy = Policy(RULES)
    member = context("member", project_id="p")

    policy.enforce("thing:get", member, {"project_id": "p"})

    assert not policy.allows("thing:get", member, {"project_id": "q"})
    with pytest.raises(errors.Forbidden) as refused:
        policy.enforce("thing:delete", member, {"project_id": "p"})
    assert "thing:delete" in refused.value.message


def test_an_auditor_reads_everything_and_does_nothing():
    policy = Policy(RULES)
    auditor = context("reader", system_scope="all")

    assert policy.allows("thing:get", auditor, {"project_id": "q"})
    assert not policy.allows("thing:delete", auditor, {"project_id": "q"})


def test_a_rule_without_a_definition_is_a_mistake_of_ours():
    with pytest.raises(ValueError):
        Policy(RULES).allows("thing:fly", context("admin"), {})


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(ours, "RELOAD_S", -1.0)
    return tmp_path / "policy.yaml"


def write(file, text):
    """Put a new file in the place of the old one, as editors do: two of the same length within a tick differ by it."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(file)


def test_an_operators_file_replaces_a_rule_and_is_read_again_when_it_changes(file):
    write(file, '"thing:delete": "role:member"\n')
    policy = Policy(RULES, file)
    member = context("member", project_id="p")

    assert policy.allows("thing:delete", member, {})
    write(file, '"thing:delete": "role:nobody"\n')
    assert not policy.allows("thing:delete", member, {})
    file.unlink()
    assert not policy.allows("thing:delete", member, {})
    assert policy.allows("thing:delete", context("admin"), {})


def test_a_file_that_comes_later_is_seen(file):
    policy = Policy(RULES, file)
    assert not policy.allows("thing:delete", context("member"), {})

    write(file, '"admin_required": "role:member"\n')

    assert policy.allows("thing:delete", context("member"), {})
    assert dict(policy.overridden) == {"admin_required": "role:member"}


BAD_FILES = {
    "no yaml": "[not: a: policy",
    "a list": "- one",
    "a check that cannot be read": '"thing:delete": "role:member or ("',
    "a rule that is not there": '"thing:delete": "rule:nobody_knows"',
    "a ring": '"admin_required": "rule:thing:delete"',
    "no text": "\udcff",
}


@pytest.mark.parametrize("bad", list(BAD_FILES))
def test_a_bad_file_keeps_the_rules_that_were(file, bad, caplog):
    write(file, '"thing:delete": "role:member"\n')
    policy = Policy(RULES, file)

    file.write_bytes(BAD_FILES[bad].encode("utf-8", "surrogateescape"))

    assert policy.allows("thing:delete", context("member"), {})
    assert not policy.allows("thing:delete", context("reader"), {})
    assert "stay as they were" in caplog.text
    with pytest.raises(errors.ConfigError):
        Policy(RULES, file)


def test_an_operator_may_forbid_something_to_all(file):
    write(file, '"thing:delete": "!"\n')

    assert not Policy(RULES, file).allows("thing:delete", context("admin"), {})


def test_a_name_that_nothing_asks_for_is_told(file, caplog):
    write(file, '"thing:dlete": "role:member"\n')

    Policy(RULES, file)

    assert "thing:dlete" in caplog.text


def test_a_decision_names_the_part_that_settles_it():
    policy = Policy()
    member = context("member", "reader", project_id="p")

    yes = policy.decide("os_compute_api:servers:create", member, {"project_id": "p"})
    no = policy.decide("os_compute_api:servers:create", member, {"project_id": "q"})
    auditor = policy.decide("identity:list_users", context("reader", system_scope="all"), {})

    assert (yes.allowed, yes.rule) == (True, "project_member_api")
    assert (no.allowed, no.rule) == (False, "project_member_or_admin")
    assert (auditor.allowed, auditor.check.split(":")[0]) == (True, "auditor")
    with pytest.raises(errors.NotFound):
        policy.decide("thing:fly", member, {})


def test_a_policy_file_that_is_none_is_told(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text("[not: a: policy", encoding="ascii")

    with pytest.raises(errors.ConfigError):
        Policy(RULES, file)


def test_every_rule_of_identity_is_there():
    assert {"identity:list_users", "identity:validate_token", "admin_required"} <= {rule.name for rule in ours.gather()}


def test_an_auditor_does_nothing_even_with_what_would_be_its_own():
    own = oslo.DocumentedRuleDefault("thing:add", "user_id:%(user_id)s", "Add.", [{"path": "/x", "method": "POST"}])
    policy = Policy((*RULES, own))

    assert policy.allows("thing:add", context("member", project_id="p"), {"user_id": "u"})
    assert not policy.allows("thing:add", context("reader", system_scope="all"), {"user_id": "u"})
    assert policy.allows("thing:delete", context("admin", "reader", system_scope="all"), {})


def test_an_auditor_may_log_out():
    auditor = context("reader", system_scope="all")

    assert Policy().allows("identity:revoke_token", auditor, {"target.token.user_id": "u"})
