"""R3: database stall and fail-over are harmless. Clients hear 503 with Retry-After, and an ambiguous commit has one effect."""

from __future__ import annotations

import contextlib
import functools
import signal
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from faults import cloud as clouds
from faults.case import Case, CloudSpec, Stage
from faults.steady import Steady
from real import cutting, databases

SPEC = CloudSpec()
ANSWER_S = 15.0  # the longest that a client waits for its 503
WORK_S = 60.0


@contextlib.contextmanager
def own_cloud(stage: Stage) -> Iterator[tuple[Any, databases.Server, cutting.CommitCutter]]:
    """Have a cloud whose way to its database may be cut, and that database."""
    names = tuple(f"h{number}" for number in range(1, SPEC.hosts + 1))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(databases.postgres())
        plain = stack.enter_context(server.database())
        cutter = stack.enter_context(cutting.CommitCutter(str(sa.make_url(plain).query["host"])))
        url = cutter.url(plain).render_as_string(hide_password=False)
        root = stage.folder / "cloud"
        root.mkdir()
        cloud = stack.enter_context(clouds.running(root, host_names=names, database_url=url, spec=SPEC))
        cloud.make_quota_ample()
        yield cloud, server, cutter


def see_503_only(stage: Stage, steady: Steady) -> None:
    """What was not accepted was refused in time and with words."""
    assert not steady.wrong(), steady.wrong()[:5]
    slow = [one for one in steady.answers if one.seconds > ANSWER_S]
    assert not slow, slow[:5]
    stage.tally.notes.append(f"{sum(one.status == 503 for one in steady.answers)} answers of 503")


def play_frozen(stage: Stage, seconds: float) -> None:
    """PostgreSQL hangs with open connections, then goes on."""
    with own_cloud(stage) as (cloud, server, _):
        steady = Steady(cloud)
        with steady.running():
            time.sleep(2)
            server.signal(signal.SIGSTOP)
            stage.tally.injected += 1
            time.sleep(seconds)
            server.signal(signal.SIGCONT)
            time.sleep(2)
        see_503_only(stage, steady)
        steady.finish(stage, WORK_S)


def play_crashes(stage: Stage, times: int) -> None:
    """PostgreSQL's power is cut under load, commits under way, and it is started again."""
    with own_cloud(stage) as (cloud, server, _):
        steady = Steady(cloud)
        with steady.running():
            for _ in range(times):
                time.sleep(3 + stage.chance.random())
                server.signal(signal.SIGQUIT)
                server.end()
                stage.tally.injected += 1
                time.sleep(2)
                server.start()
        see_503_only(stage, steady)
        steady.finish(stage, WORK_S)


def play_read_only(stage: Stage, seconds: float) -> None:
    """PostgreSQL takes no changes, as the old primary after a fail-over, and then takes them again."""
    with own_cloud(stage) as (cloud, server, _):
        steady = Steady(cloud)
        with steady.running():
            for mode, wait_s in (("on", seconds), ("off", 2.0)):
                server.say(f"ALTER SYSTEM SET default_transaction_read_only = {mode}")
                server.say("SELECT pg_reload_conf()")
                time.sleep(wait_s)
            stage.tally.injected += 1
        see_503_only(stage, steady)
        steady.finish(stage, WORK_S)


def play_cut(stage: Stage, times: int) -> None:
    """Connections end just after COMMIT went through: of the api, of the conductors, whoever commits."""
    with own_cloud(stage) as (cloud, _, cutter):
        steady = Steady(cloud)
        with steady.running():
            for _ in range(times):
                cutter.cut_next()
                time.sleep(0.5 + stage.chance.random())
        stage.tally.injected += cutter.cuts
        assert cutter.cuts >= times // 2, f"only {cutter.cuts} connections were cut"
        see_503_only(stage, steady)
        steady.finish(stage, WORK_S)


def case(name: str, play: functools.partial[None], *, short: bool, bound_s: float) -> Case:
    return Case(run="R3", name=name, play=play, spec=None, short=short, bound_s=bound_s)


CASES = (
    case("PostgreSQL is frozen", functools.partial(play_frozen, seconds=30.0), short=False, bound_s=240.0),
    case("PostgreSQL is killed in its work", functools.partial(play_crashes, times=3), short=False, bound_s=240.0),
    case("PostgreSQL takes no changes", functools.partial(play_read_only, seconds=15.0), short=False, bound_s=240.0),
    case("connections are cut after COMMIT", functools.partial(play_cut, times=10), short=False, bound_s=240.0),
)
