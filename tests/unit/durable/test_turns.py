"""Fair turns of projects, as tables of cases."""

from __future__ import annotations

import pytest

from nova_lite.durable import turns


@pytest.mark.parametrize(
    ("waiting", "held", "slots", "chosen"),
    [
        ("AAAA", {}, 8, "AAAA"),  # nobody else waits: all of them
        ("AAAAAAAAAAAA", {}, 8, "AAAAAAAA"),  # as many as there are slots
        ("AAAAB", {}, 8, "AABAA"),  # the other's first, then what is left over
        ("ABABABAB", {}, 8, "ABABABAB"),
        ("AAB", {"A": 6}, 8, "BA"),
        ("AAB", {"A": 7}, 8, "B"),
        ("AB", {"A": 8}, 8, ""),
        ("AB", {}, 1, "A"),
    ],
)
def test_a_project_takes_more_than_a_quarter_only_when_no_other_below_its_quarter_waits(waiting, held, slots, chosen):
    assert "".join(turns.choose(waiting, str, held, slots)) == chosen


@pytest.mark.parametrize(
    ("waiting", "held", "yielding"),
    [
        ("", {"A": 8}, ""),
        ("A", {"A": 8}, ""),  # only its own wait
        ("B", {"A": 8}, "A"),
        ("AB", {"A": 8}, "A"),
        ("B", {"A": 7}, ""),  # a slot is free
        ("B", {"A": 6, "B": 2}, ""),  # it has its quarter
        ("B", {"A": 3, "C": 5}, "AC"),
        ("B", {"A": 2, "C": 6}, "C"),
    ],
)
def test_projects_over_their_quarter_yield_to_one_below_it(waiting, held, yielding):
    assert turns.must_yield(set(waiting), held, 8) == frozenset(yielding)
