import os

import pytest

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.image import protections
from nova_lite.image.protections import POLICIES, ROLES, Protections, read

BY_ROLES = """
[^x_billing_]
create = admin, Biller
read = admin,member
update = biller
delete = !

[x_open]
create = @
read = @
update = @
delete = @

[x_half]
read = member
"""


def of(*roles, **more):
    return Context(request_id="r", project_id="p", roles=frozenset(roles), **more)


def written(folder, text, name=ROLES):
    (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("role", "operation", "name", "allowed"),
    [
        ("biller", "create", "x_billing_code", True),
        ("admin", "create", "x_billing_code", True),
        ("member", "create", "x_billing_code", False),
        ("member", "read", "x_billing_code", True),
        ("reader", "read", "x_billing_code", False),
        ("biller", "update", "x_billing_code", True),
        ("admin", "update", "x_billing_code", False),
        ("admin", "delete", "x_billing_code", False),
        ("nobody", "delete", "an_x_open_one", True),  # the expression is searched, not matched
        ("admin", "create", "x_half", False),  # what is not said is for nobody
        ("member", "read", "x_half", True),
        ("admin", "read", "other", False),  # no section fits
    ],
)
def test_the_first_section_that_fits_decides(tmp_path, role, operation, name, allowed):
    guard = Protections(written(tmp_path, BY_ROLES)).guard(of(role))

    assert guard.allows(operation, name) is allowed


def test_an_auditor_reads_all_and_changes_nothing(tmp_path):
    guard = Protections(written(tmp_path, BY_ROLES)).guard(of("reader", system_scope="all"))

    assert guard.allows("read", "x_billing_code")
    assert not guard.allows("update", "x_billing_code")


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
def test_without_sections_nothing_is_protected(tmp_path, text):
    if text is not None:
        written(tmp_path, text)

    guard = Protections(tmp_path).guard(of("reader"))

    assert all(guard.allows(operation, "anything") for operation in protections.OPERATIONS)


def test_rules_of_the_policy_are_asked_for_the_caller(tmp_path):
    written(tmp_path, "[.*]\ncreate = makers\nread = @\nupdate = unknown\ndelete = !\n", POLICIES)
    asked = []

    def ask(rule, context):
        asked.append(rule)
        return rule == "makers" and "maker" in context.roles

    known = Protections(tmp_path, ask)

    assert known.guard(of("maker")).allows("create", "x")
    assert not known.guard(of("member")).allows("create", "x")
    assert known.guard(of("member")).allows("read", "x")
    assert not known.guard(of("maker")).allows("update", "x")
    assert not known.guard(of("maker")).allows("delete", "x")
    assert asked == ["makers", "makers", "unknown"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (ROLES, "[(]\ncreate = @\n"),
        (ROLES, "[x]\ncreate = @, !\n"),
        (ROLES, "[x]\nmake = admin\n"),
        (ROLES, "create = admin\n"),
        (ROLES, "[x]\ncreate = a\n[x]\ncreate = b\n"),
        (POLICIES, "[x]\ncreate = one, two\n"),
        (ROLES, b"[\xff]\n"),
    ],
)
def test_a_file_that_makes_no_sense_is_told_by_its_name(tmp_path, name, text):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(errors.ConfigError, match=name):
        read(tmp_path)


def test_both_files_at_once_are_refused(tmp_path):
    written(written(tmp_path, BY_ROLES), "[x]\nread = @\n", POLICIES)

    with pytest.raises(errors.ConfigError, match="both"):
        read(tmp_path)


def test_a_changed_file_holds_and_a_broken_one_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(protections, "RELOAD_S", -1.0)
    known = Protections(written(tmp_path, "[x]\nread = admin\n"))
    before = known.guard(of("member")).allows("read", "x")

    written(tmp_path, "[x]\nread = admin, member\n")
    after = known.guard(of("member")).allows("read", "x")
    written(tmp_path, "[(]\n")
    broken = known.guard(of("member")).allows("read", "x")
    os.remove(tmp_path / ROLES)

    assert (before, after, broken) == (False, True, True)
    assert known.guard(of("nobody")).allows("delete", "y")
