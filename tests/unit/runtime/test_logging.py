"""One event a line."""

from __future__ import annotations

import logging
import re
import sys

import pytest

from nova_lite.rpc.port import Envelope, carrying
from nova_lite.runtime.logging import OneLine


@pytest.fixture
def line():
    formatter = OneLine("conductor")

    def line(message, *arguments, exc_info=None, **extra):
        record = logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, message, arguments, exc_info, extra=extra)
        return formatter.format(record)

    return line


def test_a_line_has_time_level_daemon_and_sentence(line):
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO conductor\[\d+\] The 2 things are done\.",
        line("The %d things are done.", 2),
    )


def test_fields_come_after_the_sentence_in_a_steady_order(line):
    made = line("Done.", zone="nova", step="claim", server_id="s-1", action="boot")

    assert made.endswith("Done. action=boot server_id=s-1 step=claim zone=nova")


def test_what_is_being_handled_is_named(line):
    with carrying(Envelope(request_id="req-1", operation_id="op-1")):
        made = line("Done.", action="ring")

    assert made.endswith("Done. action=ring request_id=req-1 operation_id=op-1")


def test_the_callers_own_fields_win(line):
    with carrying(Envelope(request_id="req-1")):
        assert line("Done.", request_id="req-2").endswith("request_id=req-2")


def test_values_with_blanks_are_quoted(line):
    assert line("Done.", why='no "room" left', empty="").endswith('empty="" why="no \\"room\\" left"')


def test_several_lines_become_one(line):
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        made = line("It\nfailed.", exc_info=sys.exc_info())

    assert "\n" not in made
    assert "ValueError: first\\nsecond" in made


def test_passwords_in_urls_are_left_out(line):
    made = line("No answer from amqp://user:secret@host:5672/vhost.", url="https://u:secret@h")

    assert "secret" not in made
    assert "amqp://***@host:5672/vhost" in made
