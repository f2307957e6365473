"""Whether the kernel can bound what taps carry: all parts are tried, and nothing is left of the trial."""

from __future__ import annotations

import pytest

from nova_lite.compute.wiring import limits


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Put tools in place of ip and tc that write down how they were called; tc fails at what names a word."""

    def make(word):
        said = tmp_path / "said"
        for name in ("tc", "ip"):
            tool = tmp_path / name
            fails = f'case "$*" in *{word}*) exit 2;; esac\n' if word and name == "tc" else ""
            tool.write_text(f'#!/bin/sh\necho "{name} $*" >> {said}\n{fails}')
            tool.chmod(0o755)
            monkeypatch.setattr(limits, name.upper(), str(tool))
        return lambda: said.read_text().splitlines()

    return make


@pytest.mark.parametrize(
    ("missing", "possible", "calls"), [(None, True, 8), ("htb", False, 3), ("sfq", False, 5), ("police", False, 8)]
)
def test_every_part_is_tried_and_the_trial_leaves_nothing(tools, missing, possible, calls):
    said = tools(missing)

    assert limits.are_possible() is possible

    lines = said()
    assert len(lines) == calls
    assert lines[0] == f"ip tuntap add dev {limits.TRIAL} mode tap"
    assert lines[-1] == f"ip link delete dev {limits.TRIAL}"


def test_without_the_tools_nothing_is_possible(monkeypatch):
    monkeypatch.setattr(limits, "IP", "/nowhere/ip")

    assert not limits.are_possible()
