"""Queries on hosts: what is taken, and what is refused with the reason."""

from __future__ import annotations

import pytest

from nova_lite.model import host_query


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '["=", "$host", "a"]',
        '["and", [">=", "$free_ram_mb", 1024], ["not", ["in", "$host", "a", "b"]]]',
        '["or", true]',
    ],
)
def test_what_is_taken(text):
    assert isinstance(host_query.parse(text), list)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is not JSON"),
        ("{}", "it is not a list"),
        ('"text"', "it is not a list"),
        ('["near", 1, 2]', "a condition begins with one of = < > <= >= in and or not"),
        ("[[]]", "a condition begins with one of = < > <= >= in and or not"),
        ('["and"]', "nothing follows and"),
        ('["and", []]', "a condition begins with one of = < > <= >= in and or not"),
        ('["=", "$host"]', "only one value follows ="),
        ('["=", "$host", null]', "values are texts, numbers, true or false"),
        ('["=", "$host", {}]', "values are texts, numbers, true or false"),
        ('["not", ' * 17 + "true" + "]" * 17, "conditions are nested deeper than 16"),
        ("[" * 2000 + "]" * 2000, "it is not JSON"),  # nested deeper than can be read
        (" " * 5000, "it is longer than 4096 characters"),
    ],
)
def test_what_is_refused(text, reason):
    with pytest.raises(ValueError, match=r".*") as refused:
        host_query.parse(text)

    assert str(refused.value) == reason
