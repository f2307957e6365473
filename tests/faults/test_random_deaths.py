"""Random deaths while servers come and go, on SQLite; a part of the short version of the fault suite."""

from __future__ import annotations

import os
import random
import threading
import time

import pytest
from faults import cloud as clouds
from faults import invariants
from faults import traffic as traffics
from faults.verbs import DELETED, STATES

pytestmark = [pytest.mark.rabbit, pytest.mark.slow, pytest.mark.timeout(600)]


SERVERS = 20
STEPS = 70
VICTIMS = ["conductor.1", "compute.h1", "scheduler.1", "api.1"]
SEED = int(os.environ.get("NOVA_LITE_SEED") or random.randrange(1_000_000))
DEAD_S = 180.0  # the longest that a lost message or a stolen lease may take, on a slow machine
BUILD_S = 0.4  # so that daemons die while guests are being built


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with clouds.running(tmp_path_factory.mktemp("cloud"), host_names=("h1", "h2")) as cloud:
        cloud.make_quota_ample()
        slow = {"delay_s": BUILD_S}
        cloud.behave({"ensure_guest": slow, "remove_guest": {"delay_s": BUILD_S / 4}, "power_off": slow, "reboot": slow})
        yield cloud


@pytest.fixture(scope="module")
def image(cloud):
    return cloud.image()


class Trouble:
    """What goes wrong in a thread of its own while the block runs; what it raises is raised at the end."""

    def __init__(self, make) -> None:
        self._make = make
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._make(self._stop)
        except BaseException as error:
            self._error = error

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(120)
        if self._error is not None:
            raise self._error


def boot_while(cloud, image, trouble, count: int = SERVERS) -> set[str]:
    """Boot servers one after another while `trouble` goes on; give their ids."""
    ids = set()
    with Trouble(trouble):
        for number in range(count):
            ids.add(cloud.boot(f"s{number}", image))
            time.sleep(0.15)
    return ids


def settle(cloud, ids: set[str]) -> None:
    def all_active() -> bool:
        servers = cloud.servers()
        broken = {server_id: servers[server_id]["fault"] for server_id in ids if servers[server_id]["status"] == "ERROR"}
        assert not broken, f"seed {SEED}: {broken}"
        return all(servers[server_id]["status"] == "ACTIVE" for server_id in ids)

    cloud.wait(all_active, DEAD_S, f"seed {SEED}: every server is ACTIVE")


def delete_all(cloud, ids: set[str]) -> None:
    for server_id in ids:
        cloud.delete(server_id)
    cloud.wait(lambda: not (set(cloud.servers()) & ids), DEAD_S, f"seed {SEED}: every server is gone")


def check(cloud, **sets: set[str]) -> None:
    """See that the books, the hypervisors and the doctor agree; what is being finished may take a moment."""
    wrong: list[str] = []

    def clean() -> bool:
        wrong[:] = invariants.violations(cloud, **sets) or [str(finding) for finding in cloud.doctor()]
        return not wrong

    deadline = time.monotonic() + 30
    while not clean() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not wrong, f"seed {SEED}: {wrong}"


@pytest.mark.parametrize("victim", VICTIMS)
def test_killing_a_daemon_at_random_moments_loses_and_doubles_nothing(cloud, image, victim):
    chance = random.Random(f"{SEED} {victim}")

    def kills(stop: threading.Event) -> None:
        for _ in range(3):
            if stop.wait(chance.uniform(0.3, 1.5)):
                return
            cloud.restart(victim)

    ids = boot_while(cloud, image, kills)
    settle(cloud, ids)
    check(cloud, active=ids)

    delete_all(cloud, ids)
    check(cloud, deleted=ids)


def test_whatever_is_asked_while_daemons_die_in_turn_comes_true(cloud, image):
    chance = random.Random(SEED)
    traffic = traffics.Traffic(cloud, image, chance)
    killed: list[str] = []

    def kills(stop: threading.Event) -> None:
        order = random.Random(f"{SEED} kills")
        while True:
            for victim in order.sample(VICTIMS, len(VICTIMS)):
                if stop.wait(order.uniform(0.8, 2.0)):
                    return
                cloud.restart(victim)
                killed.append(victim)
                while victim.startswith("api") and not cloud.serves() and not stop.wait(0.1):
                    pass  # on a busy machine it would be killed before it has served anybody

    with Trouble(kills):
        for number in range(STEPS):
            if number < 6:
                traffic.boot()
            elif number > STEPS // 3 and not traffic.counts["stop"]:
                traffic.act("stop")  # chance alone leaves it out at times
            else:
                chance.choices((traffic.boot, traffic.act, traffic.delete), weights=(4, 5, 2))[0]()
            time.sleep(0.1)
    cloud.wait(traffic.is_settled, DEAD_S, f"seed {SEED}: all is as it was asked for; {traffic.counts}")

    print(f"seed {SEED}: {traffic.counts}, {len(traffic.unsure)} unsure, {len(killed)} kills")  # noqa: T201
    assert set(killed) == set(VICTIMS), f"seed {SEED}: {killed}"
    assert min(traffic.counts[name] for name in ("boot", "delete", "stop")) > 0, f"seed {SEED}: {traffic.counts}"
    assert len(traffic.unsure) < len(traffic.living()), f"seed {SEED}"
    check(cloud, **{name: traffic.settled_as(name) for name in (*STATES, DELETED)})
    delete_all(cloud, set(traffic.living()))
    check(cloud, deleted=set(traffic.wanted))


def test_a_broker_that_is_away_for_eight_seconds_is_only_delay(cloud, image):
    def outage(_stop: threading.Event) -> None:
        time.sleep(0.5)
        cloud.rabbit.stop()
        time.sleep(8)
        cloud.rabbit.start()

    ids = boot_while(cloud, image, outage, count=15)
    settle(cloud, ids)

    check(cloud, active=ids)
    delete_all(cloud, ids)
    check(cloud, deleted=ids)
