"""The small pieces of the Compute API: times, words for yes, patterns, names, extra specs, tasks."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.api.compute import extra_specs, flags, patterns, tasks, times
from nova_lite.servers import names


def test_times_are_written_in_both_forms():
    assert times.iso(1_700_000_000.9) == "2023-11-14T22:13:20Z"
    assert times.micro(1_700_000_000.25) == "2023-11-14T22:13:20.250000"
    assert times.micro(None) is None


def test_what_changed_in_the_second_that_is_asked_for_is_among_it():
    shown = times.iso(1_700_000_000.7)

    assert times.bound(shown, "changes-since") <= 1_700_000_000.7 <= times.bound(shown, "changes-before")
    assert times.bound(shown, "changes-before") < 1_700_000_001.0


@pytest.mark.parametrize(
    "text",
    ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20", "2023-11-14T23:13:20+01:00", "2023-11-14T23:13:20 01:00"],
)
def test_times_are_read_in_many_forms(text):
    assert times.parse(text, "changes-since") == 1_700_000_000.0


def test_a_time_that_is_none_is_refused_with_its_name():
    with pytest.raises(errors.BadRequest, match="changes-since"):
        times.parse("yesterday", "changes-since")


@pytest.mark.parametrize(("word", "meant"), [("True", True), ("on", True), (True, True), ("0", False), ("no", False)])
def test_words_for_yes_and_no(word, meant):
    assert flags.read(word, "x") is meant


def test_another_word_is_refused():
    with pytest.raises(errors.BadRequest, match="all_tenants"):
        flags.read("perhaps", "all_tenants")


def test_a_pattern_that_is_none_is_meant_word_by_word():
    assert patterns.safe("a(b") == r"a\(b"
    assert patterns.safe("^a.*b$") == "^a.*b$"


@pytest.mark.parametrize(("text", "meant"), [(".*a.*b.*", "a.*b"), ("^.*a", "a"), ("a.*$", "a"), ("^.*$", "$")])
def test_what_a_pattern_begins_or_ends_with_for_nothing_is_left_out(text, meant):
    assert patterns.safe(text) == meant


def test_a_dot_can_be_kept_within_bounds():
    assert patterns.safe(r"1.2\.[.]", any_character="[^!]") == r"1[^!]2\.[.]"


@pytest.mark.parametrize(
    "text", ["^(act|stop)", "a*?b", "(?:ab)+", "[]*a]+[a-z]{3}", r"\d+x?", "(a|b)(c|d)", "web-{2}", r"a\.*$", ".*?a"]
)
def test_a_pattern_of_little_work_is_taken(text):
    assert patterns.safe(text) == text


@pytest.mark.parametrize(
    "text",
    ["(a+)+b", "(a*){9}", "(?:x+)*", "((a+))+", "(a|a)*b", "a*a*a*b", "a?" * 12, "(a|b)" * 12, r"(a)\1", "(?=a)", "(x?){9}"],
)
def test_a_pattern_that_takes_for_ever_is_refused(text):
    with pytest.raises(errors.BadRequest):
        patterns.safe(text)


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("web 1", "web-1"),
        ("Web_Server", "web-server"),
        ("a.b.c", "a-b-c"),
        ("-x-", "x"),
        ("x" * 200, "x" * 63),
        ("日本", "server-5e0f"),
    ],
)
def test_host_names_are_made_of_names(name, hostname):
    assert names.hostname_of(name, "5e0f") == hostname


def test_passwords_have_all_kinds_of_letters():
    made = names.password()

    assert len(made) == 12
    assert any(c.isupper() for c in made) and any(c.islower() for c in made) and any(c.isdigit() for c in made)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hw:cpu_policy", "dedicated"),
        ("hw:mem_page_size", "2MB"),
        ("hw:numa_cpus.0", "0-3,^1"),
        ("quota:disk_read_iops_sec", "100"),
        ("resources:VCPU", "2"),
        ("trait:HW_CPU_X86_VMX", "forbidden"),
        ("capabilities:hypervisor_type", "anything"),
        ("of_my_own", "anything"),
        ("mine:too", "anything"),
    ],
)
def test_extra_specs_that_are_right(key, value):
    extra_specs.check({key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hw:cpu_policy", "none"),
        ("hw:cpu_plicy", "dedicated"),
        ("hw:numa_nodes", "0"),
        ("quota:disk_read_iops_sec", "many"),
        ("trait:HW_CPU_X86_VMX", "maybe"),
        ("os:secure_boot", "perhaps"),
    ],
)
def test_extra_specs_that_are_wrong(key, value):
    with pytest.raises(errors.BadRequest, match="Validation failed"):
        extra_specs.check({key: value})


def test_tasks_are_read_from_the_workflows():
    assert tasks.shown_as("boot", "start_guest") == "spawning"
    assert tasks.shown_as("boot", None) == "scheduling"
    assert tasks.shown_as("unknown", "step") is None
    assert {(one.workflow, one.step) for one in tasks.steps_shown_as(frozenset({"powering-off"}))} >= {("stop", "power_off")}
