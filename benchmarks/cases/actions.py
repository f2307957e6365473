"""What each action takes from its request to its end: on a simulated host, and on libvirt with a guest that has a system.

Real daemons (one of each kind), a real RabbitMQ, SQLite; one server goes through everything in turn. What a guest does by
itself counts too: how soon it shuts down, and what QEMU emulates where there is no KVM. On libvirt the guest has to come up
again, to its login prompt, after whatever starts it; that is no part of the time. Messages and statements: `slo`.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[2] / "tests"
PATIENCE_S = 180.0
LOOK_S = 0.05
BEGUN_S = 2.0  # the prompt of before is the last word until the guest has begun
VERSION = "2.96"
Figures = dict[str, tuple[float, str, str]]
# name, body, status at its end
ACTIONS: tuple[tuple[str, Any, str], ...] = (
    ("pause", {"pause": None}, "PAUSED"),
    ("unpause", {"unpause": None}, "ACTIVE"),
    ("suspend", {"suspend": None}, "SUSPENDED"),
    ("resume", {"resume": None}, "ACTIVE"),
    ("interrupt (NMI)", {"trigger_crash_dump": None}, "ACTIVE"),
    ("soft reboot", {"reboot": {"type": "SOFT"}}, "ACTIVE"),
    ("hard reboot", {"reboot": {"type": "HARD"}}, "ACTIVE"),
    ("snapshot", {"createImage": {"name": "copy"}}, "ACTIVE"),
    ("rescue", {"rescue": {}}, "RESCUE"),
    ("unrescue", {"unrescue": None}, "ACTIVE"),
    ("rebuild", {"rebuild": {"imageRef": "IMAGE"}}, "ACTIVE"),
    ("resize on its host", {"resize": {"flavorRef": "2"}}, "VERIFY_RESIZE"),
    ("revert it", {"revertResize": None}, "ACTIVE"),
    ("shelve and offload", {"shelve": None}, "SHELVED_OFFLOADED"),
    ("unshelve", {"unshelve": None}, "ACTIVE"),
    ("stop", {"os-stop": None}, "SHUTOFF"),
    ("start", {"os-start": None}, "ACTIVE"),
)
BOOTS = {"soft reboot", "hard reboot", "unrescue", "rebuild", "revert it", "unshelve", "start"}


def run(folder: Path) -> Figures:
    """Go through all on each kind of host."""
    sys.path.insert(0, str(TESTS))
    from faults.cloud import running

    with running(folder, host_names=("h1",)) as cloud:
        simulated = Course(cloud, cloud.image()).run()
    figures: Figures = {f"{name}, simulated": (took, "s", "") for name, took in simulated.items()}
    with on_libvirt() as course:
        figures |= {f"{name}, libvirt": (took, "s", "") for name, took in course.run().items()}
    return dict(sorted(figures.items(), key=lambda pair: list(simulated).index(pair[0].rpartition(", ")[0])))


@contextlib.contextmanager
def on_libvirt() -> Iterator[Course]:
    """Have a cloud in a namespace of its own, with a libvirt of its own, and an image with an operating system."""
    from faults.runs.r1_libvirt import LibvirtCloud
    from real import libvirtd, netns
    from real.rabbit import Rabbit

    from nova_lite.cli.guest_image import builder

    disk = builder.ensure().disk
    with contextlib.ExitStack() as stack:
        stack.enter_context(netns.own_network())
        hypervisor, rabbit = libvirtd.Libvirtd(), Rabbit()
        stack.callback(hypervisor.remove)
        stack.callback(rabbit.remove)
        hypervisor.start()
        rabbit.start()
        cloud = LibvirtCloud(hypervisor, rabbit)
        stack.callback(cloud.close)
        cloud.set_up()
        cloud.start()
        yield Course(cloud, upload(cloud, disk), boots=True)


def upload(cloud: Any, disk: Path) -> str:
    """Make an active image of a qcow2 file."""
    import requests

    body = {"name": "guest", "disk_format": "qcow2", "container_format": "bare", "hw_machine_type": "q35"}
    image = str(cloud.request("POST", "/image/v2/images", body)["id"])
    headers = {"X-Auth-Token": cloud.token(), "Content-Type": "application/octet-stream"}
    with disk.open("rb") as file:
        requests.put(f"{cloud.url}/image/v2/images/{image}/file", data=file, headers=headers, timeout=60).raise_for_status()
    return image


class Course:
    """One server's way through all actions. `boots`: whether there is a system in it that comes up."""

    def __init__(self, cloud: Any, image: str, *, boots: bool = False) -> None:
        self._cloud = cloud
        self._image = image
        self._boots = boots
        self._server = ""

    def run(self) -> dict[str, float]:
        """Give the seconds that each action takes."""
        took = {"boot": self._timed(self._boot, "ACTIVE")}
        self._come_up()
        for name, body, status in ACTIONS:
            sent = {"rebuild": {"imageRef": self._image}} if "rebuild" in body else body
            took[name] = self._timed(lambda sent=sent: self._act(sent), status)  # type: ignore[misc]
            if name in BOOTS:
                self._come_up()
        took |= self._interfaces()
        took["delete"] = self._timed(lambda: self._cloud.delete(self._server), "DELETED")
        return took

    def _interfaces(self) -> dict[str, float]:
        path = f"/servers/{self._server}/os-interface"
        began = time.monotonic()
        port = self._cloud.compute("POST", path, {})["interfaceAttachment"]["port_id"]
        took = {"attach an interface": time.monotonic() - began}
        self._settle("ACTIVE")
        began = time.monotonic()
        self._cloud.compute("DELETE", f"{path}/{port}")
        while len(self._cloud.compute("GET", path)["interfaceAttachments"]) > 1:
            self._in_time(began)
        return took | {"detach it": time.monotonic() - began}

    def _timed(self, act: Any, status: str) -> float:
        began = time.monotonic()
        act()
        self._settle(status)
        return time.monotonic() - began

    def _boot(self) -> None:
        self._server = self._cloud.boot("course", self._image)

    def _act(self, body: Any) -> None:
        path, headers = f"/servers/{self._server}/action", {"OpenStack-API-Version": f"compute {VERSION}"}
        self._cloud.compute("POST", path, body, **headers)

    def _settle(self, status: str) -> None:
        """Wait until the server is so and nothing is being done to it."""
        began = time.monotonic()
        while True:
            answer, _ = self._cloud.send("GET", f"/compute/v2.1/servers/{self._server}")
            if answer.status_code == 404 and status == "DELETED":
                return
            server = answer.json()["server"]
            if server["status"] == status and server["OS-EXT-STS:task_state"] is None:
                return
            if server["status"] == "ERROR" or server.get("fault"):
                raise SystemExit(f"waiting for {status}: {server['status']} {server.get('fault')}")
            self._in_time(began)

    def _come_up(self) -> None:
        """Wait until the login prompt is the last that the guest said."""
        if not self._boots:
            return
        began = time.monotonic()
        time.sleep(BEGUN_S)
        while "login:" not in self._console().rstrip().rpartition("\n")[2]:
            self._in_time(began)

    def _console(self) -> str:
        path = f"/servers/{self._server}/action"
        return str(self._cloud.compute("POST", path, {"os-getConsoleOutput": {"length": 20}})["output"])

    def _in_time(self, began: float) -> None:
        if time.monotonic() - began > PATIENCE_S:
            raise SystemExit(f"an action did not end in {PATIENCE_S:.0f} s\n{self._cloud.last_words()}")
        time.sleep(LOOK_S)
