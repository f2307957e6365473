"""What the image commands show, how long they wait, and whose login they use."""

from __future__ import annotations

import http.client
import io

import pytest
from rich.console import Console

from nova_lite import errors
from nova_lite.cli import clouds_file, image, meters
from nova_lite.cli.image_line import Cut, Line, Tries, judge
from nova_lite.image.client import Patience


class Answer:
    """An answer of the service."""

    def __init__(self, status, body=b"", **headers):
        self.status = status
        self._body = body
        self._headers = headers

    def read(self, _size=-1):
        return self._body

    def getheader(self, name):
        return self._headers.get(name.lower().replace("-", "_"))


def tries(tokens=None, without_progress_s=600.0):
    """Give tries, what they noted and how long they slept."""
    notes, slept = [], []
    patience = Patience(without_progress_s=without_progress_s)
    line = Line(
        url="http://x/v2", token=lambda renew: (tokens if tokens is not None else []).append(renew) or "t", patience=patience
    )
    return Tries(line, notes.append, slept.append), notes, slept


def test_pauses_double_up_to_half_a_minute_and_begin_anew_when_something_moved():
    made, notes, slept = tries()

    for _ in range(7):
        made.pause(Cut("cut."))
    made.moved()
    made.pause(Cut("cut"))
    made.pause(Cut("asked", 7.0))

    assert slept == [1, 2, 4, 8, 16, 30, 30, 1, 7]
    assert notes[0] == "cut; again in 1 s."


def test_when_nothing_moves_for_too_long_it_ends():
    made, _, slept = tries(without_progress_s=-1.0)

    with pytest.raises(errors.Unavailable, match=r"Nothing has moved for -1 s: cut\."):
        made.pause(Cut("cut"))

    assert slept == []


def test_a_login_is_renewed_once():
    tokens = []
    made, _, _ = tries(tokens)

    made.renew(errors.Unauthorized())
    with pytest.raises(errors.Unauthorized):
        made.renew(errors.Unauthorized())
    made.moved()
    made.renew(errors.Unauthorized())

    assert tokens == [True, True]


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (Answer(403, b'{"message": "No."}'), errors.Forbidden, "No."),
        (Answer(507, b'{"message": "Full."}'), errors.InsufficientStorage, "Full."),
        (Answer(401, b'{"error": {"message": "Who?"}}'), errors.Unauthorized, "Who?"),
        (Answer(404, b"<html>"), errors.NotFound, "The image service answers 404."),
        (Answer(404, b"[1]"), errors.NotFound, "The image service answers 404."),
    ],
)
def test_what_another_try_does_not_change_is_told_in_the_services_words(answer, kind, message):
    with pytest.raises(kind) as failure:
        judge(answer, (204,))

    assert failure.value.message == message


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_be_better_another_time_is_a_cut(status):
    with pytest.raises(Cut) as cut:
        judge(Answer(status, retry_after="5"), (204,))

    assert cut.value.wait_s == 5
    judge(Answer(http.client.NO_CONTENT), (204,))


def test_lines_tell_share_rate_and_time_left_now_and_then(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(meters.time, "monotonic", lambda: now[0])
    lines = meters.Lines("tiny")
    lines.begin(1_000_000_000)

    for done in (0, 50_000_000, 100_000_000, 150_000_000):
        lines.at(done)
        now[0] += 2.5
    lines.at(200_000_000)
    lines.end()

    told = capsys.readouterr().err.splitlines()
    assert told == [
        "tiny: 10 % of 1.0 GB, 20.0 MB/s, 45 s left",
        "tiny: 20 % of 1.0 GB, 20.0 MB/s, 40 s left",
    ]


def test_a_bar_is_drawn_on_a_terminal():
    out = io.StringIO()
    bar = meters.Bar("tiny", Console(file=out, force_terminal=True, width=120))

    bar.begin(1 << 20)
    bar.at(1 << 19)
    bar.note("again in 1 s")
    bar.at(1 << 20)
    bar.end()
    bar.end()

    assert "tiny" in out.getvalue()
    assert "again in 1 s" in out.getvalue()
    assert "1.0/1.0 MiB" in out.getvalue()


def test_the_login_is_the_named_entry_else_the_environment_else_ours(tmp_path, monkeypatch):
    path = tmp_path / "clouds.yaml"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    monkeypatch.delenv("OS_AUTH_URL", raising=False)
    clouds_file.merge(path, clouds_file.entries("http://x/v3", "R", {"demo": "d", "admin": "a"}))

    ours, named = image._entry(None), image._entry("nova-lite-admin")
    monkeypatch.setenv("OS_AUTH_URL", "http://y/v3")
    monkeypatch.setenv("OS_USERNAME", "me")
    variables, still_named = image._entry(None), image._entry("nova-lite-admin")

    assert (ours["auth"]["username"], named["auth"]["username"]) == ("demo", "admin")
    assert variables["auth"] == {"auth_url": "http://y/v3", "username": "me"}
    assert still_named == named
    with pytest.raises(errors.ConfigError):
        image._entry("nobody")
