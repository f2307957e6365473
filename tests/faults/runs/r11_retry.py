"""RETRY: creates through a proxy that cuts connections, repeated blindly with their Idempotency-Key, are one server each."""

from __future__ import annotations

import functools

from faults import retrying
from faults.case import Case, Stage

SHORT, LONG = 60, 1000


def play(stage: Stage, *, number: int, kills: int) -> None:
    """Create servers blindly on a cloud of this case's own: one API process, which is killed a few times."""
    with retrying.api_alone(stage.folder) as cloud:
        blind, proxy = retrying.play(cloud, number=number, seed=stage.chance.randrange(1 << 30), kills=kills)
    stage.tally.injected += proxy.cut_requests + proxy.cut_answers + cloud.deaths
    stage.tally.requests += blind.requests
    stage.tally.notes.append(
        f"{proxy.cut_requests} requests and {proxy.cut_answers} answers cut, {blind.replayed} answers given again, "
        f"{cloud.deaths} deaths"
    )
    assert proxy.cut_requests and proxy.cut_answers, "the proxy cut nothing on one of both ways"
    assert blind.replayed, "no answer was given again"
    assert cloud.deaths, "the api was never killed"


CASES = tuple(
    Case(
        run="RETRY",
        name=f"{number} creates through cut connections",
        play=functools.partial(play, number=number, kills=kills),
        spec=None,
        short=number == SHORT,
        bound_s=bound_s,
    )
    for number, kills, bound_s in ((SHORT, 2, 120.0), (LONG, 10, 600.0))
)
