"""What an operator demands of passwords, and when they expire."""

from __future__ import annotations

import dataclasses

import pytest

from nova_lite import errors
from nova_lite.conf.identity import IdentityOptions
from nova_lite.identity import users
from nova_lite.identity.password_rules import DAY_S, rules_of


def rules(**changes):
    return rules_of(dataclasses.replace(IdentityOptions(), **changes))


def test_without_rules_every_password_will_do_and_none_expires():
    columns = users.password_columns("x", 100.0, rules())

    assert columns["password_expires_at"] is None
    assert columns["password_created_at"] == 100.0
    assert columns["password_hash"].startswith("$argon2id$")


def test_a_password_that_does_not_fit_is_refused_in_the_operators_words():
    strict = rules(password_pattern=r"^(?=.*\d).{8,}$", password_description="eight characters, one a digit")

    strict.check("long enough 1")
    with pytest.raises(errors.BadRequest, match="eight characters, one a digit"):
        users.password_columns("short 1", 0.0, strict)


def test_a_pattern_that_is_none_is_an_error_of_the_configuration():
    with pytest.raises(errors.ConfigError, match="password_pattern"):
        rules(password_pattern="(")


def test_a_password_expires_after_its_days_unless_the_user_is_spared():
    monthly = rules(password_lifetime_days=30)

    assert users.password_columns("x", 1000.0, monthly)["password_expires_at"] == 1000.0 + 30 * DAY_S
    assert users.password_columns("x", 1000.0, monthly, {"ignore_password_expiry": True})["password_expires_at"] is None
    assert users.password_columns(None, 1000.0, monthly)["password_expires_at"] is None
