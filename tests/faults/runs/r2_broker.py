"""R2: broker trouble is only delay. Requests go on while it is away, and everything accepted comes to be afterwards."""

from __future__ import annotations

import functools
import time

from faults.case import Case, CloudSpec, Stage
from faults.steady import Steady

from nova_lite.cli import joining

SPEC = CloudSpec()
BACK_S = 10.0  # full rate after the broker is back
DEAF_S = 15.0  # a host whose queues vanished serves again
WORK_S = 30.0  # what the servers accepted meanwhile take, on a slow machine


def see_no_failure(steady: Steady) -> None:
    """Requests never wait for the broker, and are not refused for it."""
    failed = [one for one in steady.answers if one.status != 202]
    assert not failed and not steady.cut, (failed, steady.cut)
    assert steady.answers, "nothing was asked"


def play_away(stage: Stage, seconds: float) -> None:
    """The broker is stopped, stays away, and comes back with its data."""
    cloud, steady = stage.cloud, Steady(stage.cloud)
    with steady.running():
        cloud.rabbit.stop()
        stage.tally.injected += 1
        time.sleep(seconds)
        assert cloud.servers(), "reads go on"
        cloud.rabbit.start()
    see_no_failure(steady)
    steady.finish(stage, BACK_S + WORK_S)


def play_restarts(stage: Stage, times: int, every_s: float) -> None:
    """The broker's power is cut again and again under load."""
    cloud, steady = stage.cloud, Steady(stage.cloud)
    with steady.running():
        for _ in range(times):
            time.sleep(every_s)
            cloud.rabbit.kill()
            cloud.rabbit.start()
            stage.tally.injected += 1
    see_no_failure(steady)
    steady.finish(stage, BACK_S + WORK_S)


def play_reset(stage: Stage) -> None:
    """The broker loses everything, users and queues too; the operator sets it up again."""
    cloud, steady = stage.cloud, Steady(stage.cloud)
    with steady.running():
        for word in ("stop_app", "reset", "start_app"):
            cloud.rabbit.run_ctl(word)
        stage.tally.injected += 1
        time.sleep(3)
        joining.set_up_broker(cloud.installation, cloud.rabbit.ctl)
    see_no_failure(steady)
    steady.finish(stage, BACK_S + WORK_S)


def play_queues(stage: Stage, count: int) -> None:
    """Queues are deleted at random; their daemons make them again."""
    cloud, steady = stage.cloud, Steady(stage.cloud)
    vhost = cloud.broker.url.rpartition("/")[2]
    with steady.running():
        names = sorted(cloud.rabbit.run_ctl("list_queues", "--vhost", vhost, "name", "--silent").split())
        for name in stage.chance.sample(names, min(count, len(names))):
            cloud.rabbit.run_ctl("delete_queue", "--vhost", vhost, name)
            stage.tally.injected += 1
            stage.tally.notes.append(f"the queue {name} is deleted")
    see_no_failure(steady)
    steady.finish(stage, DEAF_S + WORK_S)


def play_alarm(stage: Stage, seconds: float) -> None:
    """The broker takes no messages for want of memory: it blocks every publisher, and then no more."""
    cloud, steady = stage.cloud, Steady(stage.cloud)
    with steady.running():
        cloud.rabbit.run_ctl("set_vm_memory_high_watermark", "0.00001")
        stage.tally.injected += 1
        time.sleep(seconds)
        cloud.rabbit.run_ctl("set_vm_memory_high_watermark", "absolute", "2GB")
    see_no_failure(steady)
    steady.finish(stage, BACK_S + WORK_S)


def case(name: str, play: functools.partial[None], *, short: bool, bound_s: float) -> Case:
    return Case(run="R2", name=name, play=play, spec=SPEC, short=short, bound_s=bound_s)


CASES = (
    case("the broker is away", functools.partial(play_away, seconds=30.0), short=False, bound_s=240.0),
    case("the broker is away for 10 minutes", functools.partial(play_away, seconds=600.0), short=False, bound_s=900.0),
    case(
        "the broker's power is cut every 20 s",
        functools.partial(play_restarts, times=5, every_s=20.0),
        short=False,
        bound_s=400.0,
    ),
    case("the broker loses all of its data", functools.partial(play_reset), short=False, bound_s=180.0),
    case("queues are deleted", functools.partial(play_queues, count=5), short=False, bound_s=180.0),
    case("the broker blocks publishers", functools.partial(play_alarm, seconds=20.0), short=False, bound_s=180.0),
)
