"""R2: broker trouble is only delay. Requests go on while it is away, and everything accepted comes to be afterwards."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
from faults import cloud as clouds
from faults.case import Aside, Case, CloudSpec, Stage
from faults.steady import Steady
from real import databases, netns

from nova_lite.cli import joining

SPEC = CloudSpec()
CLUSTER = CloudSpec(broker_nodes=3)
BACK_S = 10.0  # full rate after the broker is back
WINDOW_S = 10.0  # for how long boots are counted, before and after
RATE = 0.7  # of the boots before, or of what was asked for; so few servers in a window differ by chance
DEAF_S = 15.0  # a host whose queues vanished serves again
SILENT_S = 45.0  # until both ends have noticed that a connection is dead, by its heartbeats
ACCEPT_S = 30.0
WORK_S = 30.0  # what the servers accepted meanwhile take, on a slow machine
WAITING = 60  # servers that are asked for in a long outage, at most; in a short one they come at the usual pace


@contextlib.contextmanager
def under_load(stage: Stage, cloud: Any, *, rate: bool = True, late_s: float = BACK_S) -> Iterator[Steady]:
    """Ask for servers before, while and after the block makes trouble; it ends when the broker is back.

    No request fails; the full rate is there again in time; and every server comes to be.
    """
    steady = Steady(cloud)
    with steady.running():
        began = time.time()
        time.sleep(WINDOW_S if rate else 1.0)
        before = time.time()
        yield steady
        back, asked = time.time(), time.monotonic()
        time.sleep(BACK_S + WINDOW_S if rate else 1.0)
    see_no_failure(steady)
    if rate:
        see_full_rate(stage, steady, began=began, before=before, back=back + BACK_S, asked=asked + BACK_S)
    steady.finish(stage, late_s + WORK_S)


def see_no_failure(steady: Steady) -> None:
    """Requests never wait for the broker, and are not refused for it."""
    failed = [one for one in steady.answers if one.status != 202]
    assert not failed and not steady.cut, (failed, steady.cut)
    assert steady.answers, "nothing was asked"


def see_full_rate(stage: Stage, steady: Steady, *, began: float, before: float, back: float, asked: float) -> None:
    """Servers come up as fast as before the trouble, or as fast as they are asked for on a machine that got slower."""
    earlier = steady.made(began, before)
    later = steady.made(back, back + WINDOW_S)
    accepted = steady.accepted(asked, asked + WINDOW_S)
    wanted = min(earlier, len(accepted))
    stage.tally.notes.append(f"{earlier} boots in {WINDOW_S:.0f} s before, {later} after, {wanted} wanted")
    assert wanted > 0, "there was no load to compare"
    assert later >= RATE * wanted, "\n".join([stage.tally.notes[-1], *map(stage.cloud.story, accepted[:2])])


def see_work_while_away(cloud: Any, steady: Steady, seconds: float) -> None:
    """Reads and accepts go on all the time; on a slow machine one accept may take longer than that."""
    accepted, end = len(steady.ids), time.monotonic() + seconds
    while (now := time.monotonic()) < end or len(steady.ids) == accepted:
        assert now < end + ACCEPT_S, "nothing was accepted while the broker was away"
        assert cloud.servers(), "reads go on"
        time.sleep(1.0)


def play_away(stage: Stage, seconds: float, *, rate: bool = True) -> None:
    """The broker is stopped, stays away, and comes back with its data."""
    with under_load(stage, stage.cloud, rate=rate) as steady:
        stage.cloud.rabbit.stop()
        stage.tally.injected += 1
        usual, steady.pace_s = steady.pace_s, max(steady.pace_s, seconds / WAITING)
        see_work_while_away(stage.cloud, steady, seconds)
        steady.pace_s = usual
        stage.cloud.rabbit.start()


def play_restarts(stage: Stage, times: int, every_s: float) -> None:
    """The broker's power is cut again and again under load."""
    with under_load(stage, stage.cloud) as steady:
        for _ in range(times):
            see_work_while_away(stage.cloud, steady, every_s)
            stage.cloud.rabbit.kill()
            stage.cloud.rabbit.start()
            stage.tally.injected += 1


def play_reset(stage: Stage) -> None:
    """The broker loses everything, users and queues too; the operator sets it up again."""
    cloud = stage.cloud
    with under_load(stage, cloud) as steady:
        for word in ("stop_app", "reset", "start_app"):
            cloud.rabbit.run_ctl(word)
        stage.tally.injected += 1
        see_work_while_away(cloud, steady, 3.0)
        joining.set_up_broker(cloud.installation, cloud.rabbit.ctl)


def play_queues(stage: Stage, count: int) -> None:
    """Queues are deleted at random; their daemons make them again."""
    names = queues(stage.cloud)
    with under_load(stage, stage.cloud, late_s=DEAF_S):
        for name in stage.chance.sample(names, min(count, len(names))):
            delete_queue(stage, name)


def play_deaf_host(stage: Stage) -> None:
    """All queues of one host are deleted; it serves again soon."""
    cloud = stage.cloud
    with under_load(stage, cloud, late_s=DEAF_S) as steady:
        server = cloud.servers()[steady.ids[0]]
        host = server["OS-EXT-SRV-ATTR:host"]
        assert _answers(cloud, server["id"]), "the host does not serve at all"
        for name in queues(cloud):
            if name == f"compute.{host}" or name.startswith((f"compute.{host}.", f"compute.{host}_")):
                delete_queue(stage, name)
        assert stage.tally.injected >= 2, "the host had no queues"
        began = time.monotonic()
        while not _answers(cloud, server["id"]):
            assert time.monotonic() - began < DEAF_S, f"{host} does not serve after {DEAF_S} s"
        stage.tally.delayed(time.monotonic() - began)


def play_alarm(stage: Stage, seconds: float) -> None:
    """The broker takes no messages for want of memory: it blocks every publisher, and then no more."""
    cloud = stage.cloud
    with under_load(stage, cloud) as steady:
        cloud.rabbit.run_ctl("set_vm_memory_high_watermark", "0.00001")
        stage.tally.injected += 1
        see_work_while_away(cloud, steady, seconds)
        cloud.rabbit.run_ctl("set_vm_memory_high_watermark", "absolute", "2GB")


def play_node(stage: Stage, number: int, away_s: float) -> None:
    """A node of the cluster loses its power, stays away, and comes back."""
    cloud = stage.cloud
    nodes = cloud.rabbit.nodes
    with under_load(stage, cloud) as steady:
        nodes[number - 1].kill()
        stage.tally.injected += 1
        see_work_while_away(cloud, steady, away_s)
        nodes[number - 1].start()
        cloud.wait(lambda: cloud.rabbit.running() == len(nodes), 60.0, "all nodes are one cluster again")


def play_half_open(stage: Stage) -> None:
    """Half of the connections to the broker carry nothing any more, and nobody tells either end."""
    names = tuple(f"h{number}" for number in range(1, SPEC.hosts + 1))
    with contextlib.ExitStack() as stack:
        stack.enter_context(netns.own_network())
        url = stack.enter_context(stack.enter_context(databases.postgres()).database())
        root = stage.folder / "cloud"
        root.mkdir()
        cloud = stack.enter_context(clouds.running(root, host_names=names, database_url=url, spec=SPEC))
        cloud.make_quota_ample()
        with under_load(stage, cloud, rate=False, late_s=SILENT_S) as steady:
            see_work_while_away(cloud, steady, 2.0)
            ports = connections(cloud.rabbit.port)
            silent = sorted(stage.chance.sample(ports, len(ports) // 2))
            assert silent, "nobody is connected"
            silence(cloud.rabbit.port, silent)
            stage.tally.injected += len(silent)
            stage.tally.notes.append(f"{len(silent)} of {len(ports)} connections carry nothing")
            see_work_while_away(cloud, steady, 10.0)


def connections(port: int) -> list[int]:
    """List the clients' ports of what is connected to a port of this namespace."""
    lines = netns.sh(f"ss -Htn state established dport = :{port}").splitlines()
    return sorted({int(line.split()[2].rpartition(":")[2]) for line in lines})


def silence(port: int, clients: list[int]) -> None:
    """Drop every packet between the port and these clients from now on, in this namespace."""
    ports = ",".join(map(str, clients))
    netns.sh("nft add table ip silence")
    netns.sh("nft add chain ip silence in { type filter hook input priority 0 ; }")
    netns.sh(f"nft add rule ip silence in tcp dport {port} tcp sport {{ {ports} }} drop")
    netns.sh(f"nft add rule ip silence in tcp sport {port} tcp dport {{ {ports} }} drop")


def queues(cloud: Any) -> list[str]:
    """List the broker's queues by name."""
    return sorted(cloud.rabbit.lengths(_vhost(cloud)))


def delete_queue(stage: Stage, name: str) -> None:
    """Take a queue away under its daemon."""
    stage.cloud.rabbit.run_ctl("delete_queue", "--vhost", _vhost(stage.cloud), name)
    stage.tally.injected += 1
    stage.tally.notes.append(f"the queue {name} is deleted")


def _vhost(cloud: Any) -> str:
    return str(cloud.broker.url.rpartition("/")[2])


def _answers(cloud: Any, server_id: str) -> bool:
    """Ask something that the host itself has to answer, once."""
    body = {"os-getConsoleOutput": {"length": 1}}
    headers = {"X-Auth-Token": cloud.token()}
    url = f"{cloud.url}/compute/v2.1/servers/{server_id}/action"
    return requests.post(url, json=body, headers=headers, timeout=30).status_code == 200


def case(
    name: str,
    play: Callable[[Stage], None],
    *,
    bound_s: float,
    spec: CloudSpec | None = SPEC,
    short: bool = False,
    aside: Aside | None = None,
) -> Case:
    return Case(run="R2", name=name, play=play, spec=spec, short=short, bound_s=bound_s, aside=aside)


CASES = (
    case("the broker is away for a moment", functools.partial(play_away, seconds=3.0, rate=False), bound_s=180.0, short=True),
    case("the broker is away", functools.partial(play_away, seconds=30.0), bound_s=240.0),
    case("the broker blocks publishers", functools.partial(play_alarm, seconds=20.0), bound_s=180.0),
    case("the broker loses all of its data", play_reset, bound_s=180.0),
    case("queues are deleted", functools.partial(play_queues, count=5), bound_s=180.0),
    case("a host's queues are deleted", play_deaf_host, bound_s=180.0),
    case("the broker's power is cut every 20 s", functools.partial(play_restarts, times=5, every_s=20.0), bound_s=400.0),
    case("the broker is away for 10 minutes", functools.partial(play_away, seconds=600.0), bound_s=900.0, aside=Aside.WAITING),
    *(
        case(
            f"node {number} of a cluster dies",
            functools.partial(play_node, number=number, away_s=12.0),
            spec=CLUSTER,
            bound_s=240.0,
        )
        for number in (1, 2, 3)
    ),
    case("half of the connections are half open", play_half_open, spec=None, bound_s=300.0),
)
