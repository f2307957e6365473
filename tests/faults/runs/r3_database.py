"""R3: database stall and fail-over are harmless. Clients hear 503 with Retry-After, and an ambiguous commit has one effect."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from faults import cloud as clouds
from faults import steady
from faults.case import Case, CloudSpec, Stage
from faults.points import Rule
from real import cutting, databases

SPEC = CloudSpec()
SMALL = CloudSpec(apis=1, hosts=2)
ON_SQLITE = CloudSpec(database="sqlite")
ANSWER_S = 15.0  # the longest that a client waits for its 503
WORK_S = 180.0  # for what was accepted; how long it really took is told
DISK_MIB = 24
FIRED_S = 60.0
NOTICED_S = 30.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outage:
    """What can be made to fail: the database server itself, and, of PostgreSQL, the cloud's way to it."""

    stage: Stage
    load: steady.Steady
    server: databases.Server
    cutter: cutting.CommitCutter | None = None

    def freeze(self, seconds: float) -> None:
        """Have the server hang with open connections, then go on."""
        time.sleep(2)
        self.server.signal(signal.SIGSTOP)
        self.stage.tally.injected += 1
        time.sleep(seconds)
        self.server.signal(signal.SIGCONT)
        time.sleep(2)

    def stop(self, times: int, how: signal.Signals) -> None:
        """End the server under load and start it again, in order or by a crash with commits under way."""
        for _ in range(times):
            time.sleep(2 + self.stage.chance.random())
            before = self.load.refused
            self.server.signal(how)
            self.server.end()
            self.stage.tally.injected += 1
            end = time.monotonic() + NOTICED_S
            while self.load.refused == before and time.monotonic() < end:
                time.sleep(0.1)
            time.sleep(1)
            self.server.start()

    def make_read_only(self, seconds: float) -> None:
        """Have PostgreSQL take no changes, as the old primary after a fail-over, and then take them again."""
        for mode, wait_s in (("on", seconds), ("off", 2.0)):
            self.server.say(f"ALTER SYSTEM SET default_transaction_read_only = {mode}")
            self.server.say("SELECT pg_reload_conf()")
            time.sleep(wait_s)
        self.stage.tally.injected += 1

    def cut(self, times: int) -> None:
        """End connections just after COMMIT went through: in turn of an api that takes a server, and of whoever commits."""
        assert self.cutter is not None
        for number in range(times):
            before = self.cutter.cuts
            self.cutter.cut_next(about=b"" if number % 2 else steady.NAME.encode())
            end = time.monotonic() + NOTICED_S
            while self.cutter.cuts == before and time.monotonic() < end:
                time.sleep(0.1)
            assert self.cutter.cuts == before + 1, "nobody committed"
            self.stage.tally.injected += 1
            time.sleep(self.stage.chance.random())

    def cut_and_stop(self, cuts: int) -> None:
        """Do a little of both."""
        self.cut(cuts)
        self.stop(1, signal.SIGQUIT)


def play_on_postgres(
    stage: Stage, fail: Callable[[Outage], None], *, spec: CloudSpec = SPEC, answer_s: float = ANSWER_S, noticed: bool = True
) -> None:
    """Boot servers while PostgreSQL fails that way; `noticed` says whether somebody has to be refused."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(databases.postgres())
        plain = stack.enter_context(server.database())
        cutter = stack.enter_context(cutting.CommitCutter(str(sa.make_url(plain).query["host"])))
        url = cutter.url(plain).render_as_string(hide_password=False)
        cloud = stack.enter_context(own_cloud(stage, url, spec))
        with steady.Steady(cloud).running() as load:
            fail(Outage(stage=stage, load=load, server=server, cutter=cutter))
        see_503_only(load, cloud, stage, answer_s)
        assert load.refused or not noticed, "nobody noticed the outage"
        load.finish(stage, WORK_S)


def play_on_mariadb(stage: Stage, fail: Callable[[Outage], None]) -> None:
    """Boot servers while MariaDB fails that way."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(databases.mariadb())
        url = stack.enter_context(server.database())
        cloud = stack.enter_context(own_cloud(stage, url, SMALL))
        with steady.Steady(cloud).running() as load:
            fail(Outage(stage=stage, load=load, server=server))
        see_503_only(load, cloud, stage, ANSWER_S)
        assert load.refused, "nobody noticed the outage"
        load.finish(stage, WORK_S)


@contextlib.contextmanager
def own_cloud(stage: Stage, url: str, spec: CloudSpec) -> Iterator[Any]:
    """Have a cloud on a database that may be harmed."""
    names = tuple(f"h{number}" for number in range(1, spec.hosts + 1))
    root = stage.folder / "cloud"
    root.mkdir()
    with clouds.running(root, host_names=names, database_url=url, spec=spec) as cloud:
        cloud.make_quota_ample()
        yield cloud


def see_503_only(load: steady.Steady, cloud: Any, stage: Stage, answer_s: float) -> None:
    """What was not accepted was refused in time and with words, and no daemon ended."""
    assert not load.wrong(), load.wrong()[:5]
    slow = [one for one in load.answers if one.seconds > answer_s]
    assert not slow, slow[:5]
    ended = [name for name, process in cloud.processes.items() if process.poll() is not None]
    assert not ended, "\n".join(f"{name} ended:\n{cloud.log(name).read_text()[-3000:]}" for name in ended)
    stage.tally.notes.append(f"{load.refused} answers of 503")


def play_full_disk(stage: Stage, seconds: float) -> None:
    """The disk of the SQLite file is full for a while."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(small_disk(stage.folder / "disk"))
        cloud = stack.enter_context(own_cloud(stage, f"sqlite:///{disk}/nova-lite.db", ON_SQLITE))
        with steady.Steady(cloud).running() as load:
            time.sleep(2)
            filler = fill(disk)
            stage.tally.injected += 1
            cloud.wait(lambda: load.refused > 0, FIRED_S, "somebody is refused")  # SQLite's log has some room of before
            time.sleep(seconds)
            filler.unlink()
            time.sleep(2)
        see_503_only(load, cloud, stage, ANSWER_S)
        load.finish(stage, WORK_S)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Have a file system of its own in that folder, gone in the end."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0755", "nova-lite-test", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Write a file until there is no room left; give it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
    return filler


def play_killed_in_commit(stage: Stage, times: int) -> None:
    """Daemons die just before and just after a COMMIT on SQLite, and are started again."""
    cloud = stage.cloud
    daemons = [*cloud.names("api"), *cloud.names("conductor")]
    with cloud.keeping(), steady.Steady(cloud).running() as load:
        for number in range(times):
            name = stage.chance.choice(daemons)
            rule = Rule(id=f"commit{number}", point=f"journal.commit:{('before', 'after')[number % 2]}")
            cloud.faults[name].write(dataclasses.replace(rule, nth=stage.chance.randint(1, 6)))
            cloud.wait(
                lambda name=name, rule=rule: rule.id in cloud.faults[name].fired(), FIRED_S, f"{name} dies in {rule.point}"
            )
            stage.tally.injected += 1
            time.sleep(stage.chance.random())
    assert not load.wrong(), load.wrong()[:5]
    load.finish(stage, WORK_S)


def postgres(name: str, fail: Callable[[Outage], None], *, short: bool = False, **more: Any) -> Case:
    play = functools.partial(play_on_postgres, fail=fail, **more)
    return Case(run="R3", name=name, play=play, spec=None, short=short, bound_s=300.0)


def mariadb(name: str, fail: Callable[[Outage], None]) -> Case:
    play = functools.partial(play_on_mariadb, fail=fail)
    return Case(run="R3", name=name, play=play, spec=None, short=False, bound_s=300.0)


CASES = (
    mariadb("MariaDB is frozen", lambda outage: outage.freeze(30.0)),
    mariadb("MariaDB is restarted", lambda outage: outage.stop(2, signal.SIGTERM)),
    mariadb("MariaDB is killed in its work", lambda outage: outage.stop(2, signal.SIGKILL)),
    postgres("PostgreSQL is frozen", lambda outage: outage.freeze(30.0)),
    postgres("PostgreSQL is restarted", lambda outage: outage.stop(3, signal.SIGINT)),
    postgres("PostgreSQL is killed in its work", lambda outage: outage.stop(3, signal.SIGQUIT)),
    postgres("PostgreSQL takes no changes", lambda outage: outage.make_read_only(15.0)),
    # A create with a key may not even notice: after a lost answer the api looks whether it was recorded.
    postgres("connections are cut after COMMIT", lambda outage: outage.cut(10), noticed=False),
    postgres("cut and killed once", lambda outage: outage.cut_and_stop(3), short=True, spec=SMALL, answer_s=30.0),
    Case(
        run="R3",
        name="SQLite's disk is full",
        play=functools.partial(play_full_disk, seconds=10.0),
        spec=None,
        short=False,
        bound_s=300.0,
    ),
    Case(
        run="R3",
        name="killed in a commit on SQLite",
        play=functools.partial(play_killed_in_commit, times=12),
        spec=ON_SQLITE,
        short=False,
        bound_s=300.0,
    ),
)
