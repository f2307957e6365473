"""R10: overload degrades. More than fits is refused with a time to come back; what was accepted is done; operators are served.

Every case measures the same things: an operator's look at the services takes less than a second throughout, daemons do not
grow, and half a minute later a server is built as if nothing had been.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from faults import flood as flooding
from faults.case import Case, CloudSpec, Stage
from faults.probe import Probe

from nova_lite.inventory import hosts

SPEC = CloudSpec()
LOOK_S = 1.0
NORMAL_S = 30.0
GROWTH_MIB = 150  # of one daemon: threads and pools fill once, queues must not
CLIENTS = 48
CUT_S = 10.0 + 5.0  # what a client that stands still may hold a thread for
IMAGE_BYTES = 24 * 1024 * 1024
TRIALS = 20
SUSTAINED_S, FEW = 8.0, 4
TIMES = 20
FLOODED = 200  # servers that a flood may make: the rest meets the quota
HANG_S = 30.0
GIVE_UP_S = 240.0
BAD = {"ensure_guest": {"fail": {"message": "no bridge br0", "host_at_fault": True}}}


# -- what every case watches -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def watched(stage: Stage) -> Iterator[None]:
    """See that operators are served, that no daemon grows without bound, and that all is normal soon after."""
    cloud = stage.cloud
    token = cloud.token()
    image = cloud.image()
    before = memory(cloud)
    with Probe(token, cloud.ports) as probe:
        yield
    ended = time.monotonic()
    grown = {name: now - before[name] for name, now in memory(cloud).items()}
    build_one(cloud, image)
    normal_s = time.monotonic() - ended
    most = max(grown, key=lambda name: grown[name])
    stage.tally.requests += probe.looks
    stage.tally.delayed(probe.longest_s)
    stage.tally.notes.append(
        f"operator: {probe.looks} looks, longest {probe.longest_s:.2f} s (of an idle server {probe.idle_s:.2f} s); normal after {normal_s:.1f} s; "
        f"{most} grew by {grown[most]:.0f} MiB"
    )
    assert probe.looks and not probe.failed, f"{probe.failed} of {probe.looks} looks at the services failed"
    assert probe.longest_s < LOOK_S + probe.idle_s, f"an operator waited {probe.longest_s:.2f} s"
    assert normal_s <= NORMAL_S, f"a server took {normal_s:.0f} s after the overload"
    assert grown[most] < GROWTH_MIB, f"{most} grew by {grown[most]:.0f} MiB"


def memory(cloud: Any) -> dict[str, float]:
    """Give the MiB that each daemon has, with its children."""
    return {name: sum(_resident(pid) for pid in _family(process.pid)) for name, process in cloud.processes.items()}


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from _family(int(child))


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def status_of(cloud: Any, server_id: str) -> str:
    answer, _ = cloud.send("GET", f"/compute/v2.1/servers/{server_id}")
    return str(answer.json()["server"]["status"]) if answer.status_code == 200 else "GONE"


def build_one(cloud: Any, image: str) -> str:
    """Build a server; give its id."""
    server_id = cloud.boot("one", image)
    cloud.wait(lambda: status_of(cloud, server_id) in ("ACTIVE", "ERROR"), GIVE_UP_S, "a server is built")
    assert status_of(cloud, server_id) == "ACTIVE", "a server failed"
    return str(server_id)


def clear(cloud: Any) -> None:
    """Delete all servers and wait until they are gone."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(cloud.delete, cloud.servers()))
    cloud.wait(lambda: not cloud.servers(), GIVE_UP_S, "all servers are gone")


# -- clients -----------------------------------------------------------------------------------------------------------


def ask(cloud: Any, number: int, method: str, path: str, body: Any = None) -> tuple[int, str | None, bytes]:
    """Ask once on a new connection; give the status, when to come back, and what came."""
    port = cloud.ports[number % len(cloud.ports)]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        known = {"X-Auth-Token": cloud.token(), "Content-Type": "application/json"}
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=known)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Retry-After"), answer.read()
    finally:
        connection.close()


def create(cloud: Any, image: str, number: int, seen: Counter[int]) -> str:
    """Create a server as a good client does: who is refused comes back when it was told to."""
    body = {"server": {"name": f"many{number}", "imageRef": image, "flavorRef": "1"}}
    until = time.monotonic() + GIVE_UP_S
    while time.monotonic() < until:
        status, back_s, content = ask(cloud, number, "POST", "/compute/v2.1/servers", body)
        seen[status] += 1
        if status == 202:
            return str(json.loads(content)["server"]["id"])
        assert status in (429, 503), f"{status} {content[:300]!r}"
        assert back_s is not None, f"{status} does not say when to come back"
        time.sleep(float(back_s))
    raise AssertionError(f"create {number} was never accepted: {dict(seen)}")


# -- cases -------------------------------------------------------------------------------------------------------------


def creates(stage: Stage, count: int) -> None:
    """Many creates at once: each is accepted in the end, and built once."""
    cloud = stage.cloud
    make_room(cloud, count)
    image = cloud.image()
    seen: Counter[int] = Counter()
    with watched(stage):
        with concurrent.futures.ThreadPoolExecutor(min(count, 200)) as pool:
            ids = set(pool.map(lambda number: create(cloud, image, number, seen), range(count)))
        stage.tally.requests += seen.total()
        stage.tally.injected += count
        stage.tally.notes.append(f"answers {dict(seen)}")
        assert len(ids) == count, "two creates were given the same server"
        cloud.wait(lambda: not _building(cloud), GIVE_UP_S + count * 0.5, "all servers are built")
    check_all_active(stage, ids)
    stage.spoil()


def sustained(stage: Stage) -> tuple[float, list[Any]]:
    """Measure how many requests a second of a mix are answered to a few clients that ask one after the other; give the mix."""
    cloud = stage.cloud
    image, known = cloud.image(), build_one(cloud, cloud.image())
    body = {"server": {"name": "flood", "imageRef": image, "flavorRef": "1"}}
    show, nobody = f"/compute/v2.1/servers/{known}", f"/compute/v2.1/servers/{uuid.UUID(int=0)}"
    posts, shows = [("POST", "/compute/v2.1/servers", body)], [("GET", show, None)]
    mix = [*posts * 2, *shows * 4, ("GET", "/compute/v2.1/servers/detail", None), ("DELETE", nobody, None)]
    ending = time.monotonic() + SUSTAINED_S

    def ask_on(number: int) -> int:
        count = 0
        while time.monotonic() < ending:
            status, _, content = ask(cloud, number, *mix[count % len(mix)])
            assert status in (200, 202, 404), f"{status} {content[:300]!r}"
            count += 1
        return count

    with concurrent.futures.ThreadPoolExecutor(FEW) as pool:
        counts = list(pool.map(ask_on, range(FEW)))
    return sum(counts) / SUSTAINED_S, mix


def too_much(stage: Stage, seconds: float) -> None:
    """Twenty times the rate that is answered without a refusal: each request is answered, or refused and told when to come."""
    cloud = stage.cloud
    make_room(cloud, FLOODED)
    rate, mix = sustained(stage)
    cloud.wait(lambda: not _building(cloud), GIVE_UP_S, "all is built")
    before = set(cloud.servers())
    quota = {"quota_set": {"instances": len(before) + FLOODED}}
    cloud.compute("PUT", f"/os-quota-sets/{cloud.project_id}", quota)
    plan = {"rate": TIMES * rate, "seconds": seconds, "ports": cloud.ports, "token": cloud.token()}
    with watched(stage):
        told = flooding.flood({**plan, "patience_s": HANG_S, "requests": mix}, stage.folder)
        cloud.make_quota_ample()
    answers = told.answers
    stage.tally.requests += told.offered
    stage.tally.injected += 1
    stage.tally.notes.append(
        f"sustained {rate:.0f}/s; wanted {TIMES * rate:.0f}/s, offered {told.offered / seconds:.0f}/s; answers {dict(answers)}, "
        f"longest {told.longest_s:.1f} s, {told.cut} cut"
    )
    assert not told.hung, f"{told.hung} requests had no answer within {HANG_S:.0f} s"
    assert not told.unexplained, f"{told.unexplained} refusals do not say when to come back"
    assert set(answers) <= {200, 202, 403, 404, 429, 503}, f"answers {dict(answers)}"
    assert answers[429] + answers[503], "nothing was refused: that was no overload"
    assert answers[200], "nothing was read"
    cloud.wait(lambda: not _building(cloud), GIVE_UP_S, "what was accepted is built")
    fresh = set(cloud.servers()) - before
    made = len(fresh) - 1  # but for the one that shows that all is normal; an answer that was cut may have been good
    assert answers[202] <= made <= answers[202] + told.cut, f"{answers[202]} creates were accepted, there are {made} servers"
    check_all_active(stage, fresh)
    stage.spoil()


def make_room(cloud: Any, servers: int) -> None:
    """Have quota, and on each host room, for so many servers and a few more."""
    cloud.make_quota_ample()
    large = servers + 1000
    cloud.behave({"facts": {"vcpus": large, "ram_mib": large * 1024, "disk_gib": large * 10}})
    for host in cloud.host_names:  # they say how large they are when they start
        cloud.restart(f"compute.{host}")
    cloud.wait(lambda: _room(cloud) >= servers * len(cloud.host_names), GIVE_UP_S, "hosts have said how large they are")


def _room(cloud: Any) -> int:
    with cloud.database.read() as tx:
        return sum(host.limit.vcpus for host in hosts.list_hosts(tx) if host.up)


def _all(cloud: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    marker = ""
    while True:
        page = cloud.compute("GET", f"/servers/detail?limit=1000{marker}")["servers"]
        found |= {server["id"]: server for server in page}
        if len(page) < 1000:
            return found
        marker = f"&marker={page[-1]['id']}"


def _building(cloud: Any) -> list[dict[str, Any]]:
    """List some of the servers that are being built, once a second: the look costs something itself."""
    time.sleep(1.0)
    return list(cloud.compute("GET", "/servers/detail?status=BUILD&limit=100")["servers"])


def check_all_active(stage: Stage, ids: set[str]) -> None:
    """See that each of these was built, and once; what was not is told with its fault."""
    servers, guests = _all(stage.cloud), stage.cloud.guests()
    bad = {one: servers[one].get("fault", servers[one]["status"]) for one in ids if servers[one]["status"] != "ACTIVE"}
    stage.tally.lost += len(bad)
    stage.tally.doubled += sum(len(guests.get(one, ())) != 1 for one in ids - set(bad))
    assert not bad, f"{len(bad)} of {len(ids)} accepted servers are not active: {next(iter(bad.items()))}"
    assert not stage.tally.doubled, "active servers have another number of guests than one"


def lists(stage: Stage, seconds: float) -> None:
    """A flood of list calls: some are answered, the rest refused, and changes go on."""
    cloud = stage.cloud
    seen: Counter[int] = Counter()
    ending = threading.Event()

    def flood(number: int) -> None:
        while not ending.is_set():
            status, back_s, _ = ask(cloud, number, "GET", "/compute/v2.1/servers/detail")
            seen[status] += 1
            assert status in (200, 429, 503)
            assert status == 200 or back_s is not None

    with watched(stage), concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        floods = [pool.submit(flood, number) for number in range(CLIENTS)]
        ending.wait(seconds)
        ending.set()
        for one in floods:
            one.result(60)
    stage.tally.injected += CLIENTS
    stage.tally.requests += seen.total()
    stage.tally.notes.append(f"answers {dict(seen)}")
    assert seen[200], "no list was answered at all"


def deaf_clients(stage: Stage, count: int) -> None:
    """Clients that ask for an image and never read it: they are cut, and others get theirs."""
    cloud = stage.cloud
    image = _large_image(cloud)
    request = f"GET /image/v2/images/{image}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {cloud.token()}\r\n\r\n".encode()
    with watched(stage), contextlib.ExitStack() as stack:
        for number in range(count):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", cloud.ports[number % len(cloud.ports)]))
            client.sendall(request)
            stack.callback(client.close)
        time.sleep(CUT_S)
        for number in range(len(cloud.ports)):
            status, _, content = ask(cloud, number, "GET", f"/image/v2/images/{image}/file")
            assert (status, len(content)) == (200, IMAGE_BYTES), f"clients that do not read still hold all slots: {status}"
    stage.tally.injected += count


def _large_image(cloud: Any) -> str:
    plain = {"name": "large", "disk_format": "raw", "container_format": "bare"}
    image = str(cloud.request("POST", "/image/v2/images", plain)["id"])
    known = {"X-Auth-Token": cloud.token(), "Content-Type": "application/octet-stream"}
    answer = requests.put(f"{cloud.url}/image/v2/images/{image}/file", data=b"x" * IMAGE_BYTES, headers=known, timeout=60)
    assert answer.status_code == 204, answer.text
    return image


def bad_host(stage: Stage) -> None:
    """One host fails every boot: it is set aside and said so, and comes back when an operator says so."""
    cloud = stage.cloud
    cloud.make_quota_ample()
    image = cloud.image()
    bad = stage.chance.choice(cloud.host_names)
    behave_alone(cloud, bad, BAD)
    try:
        for _ in range(TRIALS):
            if _service(cloud, bad)["status"] == "disabled":
                break
            for server_id in [cloud.boot(f"trial{number}", image) for number in range(4)]:
                cloud.wait(lambda one=server_id: status_of(cloud, one) == "ACTIVE", GIVE_UP_S, "it is built elsewhere")
                stage.tally.requests += 1
        shown = _service(cloud, bad)
        stage.tally.injected += 1
        stage.tally.notes.append(str(shown["disabled_reason"]))
        assert shown["status"] == "disabled", f"{bad} still gets servers"
        assert "no bridge br0" in shown["disabled_reason"]
    finally:
        behave_alone(cloud, bad, {})
    cloud.compute("PUT", "/os-services/enable", {"host": bad, "binary": "nova-compute"})
    assert _service(cloud, bad)["status"] == "enabled"
    clear(cloud)


def slow_host(stage: Stage, delay_s: float) -> None:
    """Builds that take very long on one host hold up nothing else there."""
    cloud = stage.cloud
    cloud.make_quota_ample()
    image = cloud.image()
    slow = stage.chance.choice(cloud.host_names)
    settled = [cloud.boot(f"settled{number}", image) for number in range(2 * len(cloud.host_names))]
    for server_id in settled:
        cloud.wait(lambda one=server_id: status_of(cloud, one) == "ACTIVE", GIVE_UP_S, "it is built")
    there = [server_id for server_id, places in cloud.guests().items() if places[0][0] == slow]
    with watched(stage), behaving(cloud, slow, {"ensure_guest": {"delay_s": delay_s}}):
        building = {cloud.boot(f"slow{number}", image) for number in range(6 * len(cloud.host_names))}
        time.sleep(3.0)
        began = time.monotonic()
        for server_id in there:
            cloud.delete(server_id)
            cloud.wait(lambda one=server_id: status_of(cloud, one) == "GONE", delay_s, "a removal is not held up")
        assert time.monotonic() - began < delay_s, "removals waited for builds"
        assert _service(cloud, slow)["state"] == "up", "a slow hypervisor silenced its host"
        cloud.wait(lambda: not _building(cloud), GIVE_UP_S, "all are built in the end")
        places = cloud.guests()
        stage.tally.injected += sum(places[server_id][0][0] == slow for server_id in building)
    assert stage.tally.injected, "nothing was built on the slow host"
    check_all_active(stage, building)
    clear(cloud)


@contextlib.contextmanager
def behaving(cloud: Any, host: str, behaviour: dict[str, Any]) -> Iterator[None]:
    """Have one simulated hypervisor behave so while the block lasts."""
    behave_alone(cloud, host, behaviour)
    try:
        yield
    finally:
        behave_alone(cloud, host, {})


def behave_alone(cloud: Any, host: str, behaviour: dict[str, Any]) -> None:
    """Set what one simulated hypervisor does."""
    fresh = cloud.host_folder(host) / "behaviour.new"
    fresh.write_text(json.dumps(behaviour))
    fresh.replace(fresh.with_suffix(".json"))


def _service(cloud: Any, host: str) -> dict[str, Any]:
    (shown,) = cloud.compute("GET", f"/os-services?host={host}&binary=nova-compute")["services"]
    return dict(shown)


CASES: tuple[Case, ...] = (
    Case(run="R10", name="bad host", play=bad_host, spec=SPEC, short=True, bound_s=120),
    Case(run="R10", name="slow host", play=lambda stage: slow_host(stage, 30.0), spec=SPEC, short=False, bound_s=600),
    Case(run="R10", name="list flood, short", play=lambda stage: lists(stage, 5.0), spec=SPEC, short=True, bound_s=90),
    Case(run="R10", name="list flood", play=lambda stage: lists(stage, 60.0), spec=SPEC, short=False, bound_s=240),
    Case(run="R10", name="deaf clients", play=lambda stage: deaf_clients(stage, 40), spec=SPEC, short=True, bound_s=120),
    Case(run="R10", name="creates, short", play=lambda stage: creates(stage, 100), spec=SPEC, short=True, bound_s=180),
    Case(run="R10", name="2000 creates", play=lambda stage: creates(stage, 2000), spec=SPEC, short=False, bound_s=1800),
    Case(
        run="R10", name="twenty times too much", play=lambda stage: too_much(stage, 60.0), spec=SPEC, short=False, bound_s=600
    ),
)
