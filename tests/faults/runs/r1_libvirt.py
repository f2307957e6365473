"""R1 on libvirt: the daemon of a host with real QEMU guests dies at its seams, again and again, within one verb.

Everything is in a network namespace of the case's own, with a libvirt of its own: bridges, taps and domains end with it.
"""

from __future__ import annotations

import functools
import json
import subprocess
from typing import Any

import libvirt
from faults import cloud as clouds
from faults import invariants, points, verbs
from faults.case import Case, Stage
from faults.runs.r1_crashes import LEASE_S, MARGIN_S
from real import libvirtd, netns
from real.rabbit import Rabbit

from nova_lite.compute.virt.libvirt import domains
from nova_lite.compute.wiring import bridge
from nova_lite.compute.wiring.host import HostWiring

GUESTS = 3
SETTLE_S = 240.0  # QEMU emulates, on busy cores
VERBS = ("boot", "delete", "reboot_hard")  # without a system a guest takes a minute to be stopped
COMPUTE = "compute.h1"


class LibvirtCloud(clouds.Cloud):
    """A cloud whose one host runs its guests on the case's libvirt."""

    def __init__(self, hypervisor: libvirtd.Libvirtd, rabbit: Rabbit) -> None:
        """`hypervisor` runs; the cloud's folder is in its place, which QEMU's user can reach."""
        self.hypervisor = hypervisor
        root = hypervisor.place / "cloud"
        root.mkdir(mode=0o711)
        super().__init__(root, rabbit, host_names=("h1",))

    def environment(self, name: str) -> dict[str, str]:
        """Let the host's daemon find libvirt."""
        own = {"OS_COMPUTE__DRIVER": "libvirt", "OS_COMPUTE__LIBVIRT_URI": self.hypervisor.uri} if name == COMPUTE else {}
        return super().environment(name) | own

    def guests(self) -> dict[str, list[tuple[str, int]]]:
        """Ask libvirt itself."""
        connection = libvirt.open(self.hypervisor.uri)
        try:
            return {
                domain.UUIDString(): [("h1", int(domains.POWER[domain.state()[0]]))] for domain in connection.listAllDomains()
            }
        finally:
            connection.close()

    def left_over(self) -> list[str]:
        """List taps and disks that are there without any guest."""
        links = json.loads(subprocess.run(["ip", "-json", "link"], capture_output=True, check=True, timeout=10).stdout)
        taps = [link["ifname"] for link in links if link["ifname"].startswith(bridge.TAP_PREFIX)]
        disks = [str(path) for path in (self.host_folder("h1") / "disks").glob("*")]
        return [*taps, *disks]

    def close(self) -> None:
        """Take everything away: what serves a bridge outlives its daemon."""
        super().close()
        HostWiring(self.host_folder("h1") / "wiring").remove_all()


def rules(stage: Stage, verb: verbs.Verb) -> list[points.Rule]:
    """Plan one death at each point that the host's daemon comes by."""
    seams = [f"driver.{verb.driver}", "rpc.publish", "rpc.ack", "file.ledger"]
    if verb.name in ("boot", "delete"):
        seams += ["wiring", "file.disk"]
    places = [f"{seam}:{side}" for seam in seams for side in ("before", "after")]
    stage.chance.shuffle(places)
    return [
        points.Rule(id=f"{stage.chance.getrandbits(40):x}", point=place, nth=stage.chance.randint(1, 2)) for place in places
    ]


def play(stage: Stage, verb: verbs.Verb) -> None:
    """Do one verb on some guests while their host's daemon dies at one point after another."""
    lack = libvirtd.missing() or netns.available()
    if lack:
        stage.tally.notes.append(f"not played: {lack}")
        return
    with netns.own_network():
        hypervisor, rabbit = libvirtd.Libvirtd(), Rabbit()
        try:
            hypervisor.start()
            rabbit.start()
            cloud = LibvirtCloud(hypervisor, rabbit)
            try:
                cloud.set_up()
                cloud.start()
                _play_on(stage, cloud, verb)
            finally:
                cloud.close()
        finally:
            rabbit.remove()
            hypervisor.remove()


def _play_on(stage: Stage, cloud: Any, verb: verbs.Verb) -> None:
    scene = verbs.Scene(cloud, stage.chance, at_once=GUESTS, patience_s=SETTLE_S)
    verb.prepare(scene)
    planned = rules(stage, verb)
    with cloud.keeping():
        cloud.faults[COMPUTE].write(*planned)
        verb.act(scene)
        scene.settle(SETTLE_S)
        fired = cloud.faults[COMPUTE].fired()
        cloud.faults[COMPUTE].write()
    stage.tally.injected += len(fired)
    stage.tally.notes += [f"nobody came to {rule.point}" for rule in planned if rule.id not in fired]
    assert len(fired) >= len(planned) // 2, f"only {len(fired)} of {len(planned)} deaths came about"
    invariants.check(cloud, stage.tally, **scene.wanted())
    scene.clear()
    assert not cloud.left_over(), cloud.left_over()
    stage.tally.requests += cloud.requests


CASES = tuple(
    Case(
        run="R1",
        name=f"{verb.name} on libvirt, its daemon dies again and again",
        play=functools.partial(play, verb=verb),
        spec=None,
        short=False,
        bound_s=2 * SETTLE_S + LEASE_S + MARGIN_S,
    )
    for verb in verbs.VERBS
    if verb.name in VERBS
)
