"""How long a machine is up, in words."""

from __future__ import annotations

import pytest

from nova_lite.compute import uptime


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 min"),
        (59, "0 min"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1:00"),
        (86399, "23:59"),
        (86400, "1 day, 0 min"),
        (2 * 86400 + 4 * 3600 + 5 * 60, "2 days,  4:05"),
    ],
)
def test_an_age_is_written_as_uptime_writes_it(seconds, words):
    assert uptime.since(seconds) == words


def test_the_sentence_has_the_age_and_three_loads():
    text = uptime.sentence()

    assert " up " in text
    assert text.partition("load average: ")[2].count(".") == 3
